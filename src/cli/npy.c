/* npy.c: NumPy's file format 1.0: magic, version, header length, a Python dict padded so that data start at 64 n. */
#include "cli/npy.h"

#include <inttypes.h>
#include <string.h>

int npy_write_header(FILE *f, uint64_t rows, uint64_t cols, struct kvik_err *err)
{
	enum { PREFIX = 10, TOTAL = 128 };
	char header[TOTAL];
	memset(header, ' ', sizeof header);
	memcpy(header, "\x93NUMPY\x01\x00", 8);
	header[8] = TOTAL - PREFIX;
	header[9] = 0;
	int n = snprintf(header + PREFIX, TOTAL - PREFIX,
			 "{'descr': '<f4', 'fortran_order': False, 'shape': (%" PRIu64 ", %" PRIu64 "), }", rows, cols);
	header[PREFIX + n] = ' '; /* over the NUL of snprintf; two 20-digit numbers fit */
	header[TOTAL - 1] = '\n';
	if (fwrite(header, 1, sizeof header, f) != sizeof header)
		return err_set(err, KVIK_ERR_IO, "cannot write the .npy header: is the disk full?");
	return 0;
}
