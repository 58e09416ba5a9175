/* os.c: what POSIX systems have in common. */
#include "base/os.h"

#include <signal.h>
#include <sys/mman.h>
#include <time.h>
#include <sys/resource.h>
#include <unistd.h>

size_t os_page_bytes(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

uint64_t os_clock_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void os_drop(const void *start, size_t bytes)
{
	uintptr_t mask = (uintptr_t)os_page_bytes() - 1;
	uintptr_t from = ((uintptr_t)start + mask) & ~mask, to = ((uintptr_t)start + bytes) & ~mask;
	if (from < to)
		(void)madvise((void *)from, to - from, MADV_DONTNEED);
}

void os_thread_background(int by)
{
	if (by > 0) /* Linux: of the thread alone; who must not is left as he is */
		(void)setpriority(PRIO_PROCESS, (id_t)gettid(), by);
}

int os_thread_new(pthread_t *t, void *(*run)(void *), void *arg)
{
	static const int own[] = {SIGSEGV, SIGBUS,  SIGFPE,
				  SIGILL,  SIGTRAP, SIGPROF}; /* raised by what the thread does */
	sigset_t others, before;
	sigfillset(&others);
	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		sigdelset(&others, own[i]);
	pthread_sigmask(SIG_SETMASK, &others, &before); /* inherited */
	int rc = pthread_create(t, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}
