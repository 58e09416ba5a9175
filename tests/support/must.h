/* must.h: cmocka with the headers that it wants, and calls of the library that may not fail. */
#ifndef KVIK_TESTS_SUPPORT_MUST_H
#define KVIK_TESTS_SUPPORT_MUST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the headers above */
#include <cmocka.h>

#include "base/err.h"

/* call names `err`, which is there: MUST(kv_new(&kv, &config, &err)). A failure ends the test with its text. */
#define MUST(call)                                                           \
	do {                                                                 \
		struct kvik_err err;                                         \
		if ((call) != 0)                                             \
			fail_msg("%s:%d: %s", __FILE__, __LINE__, err.text); \
	} while (0)

#endif
