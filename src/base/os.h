/* os.h: what this process has of the machine: processors, memory, clocks, within the limits of its control group. What
 * differs between systems is behind it (os_linux.c); pages may have 4, 16 or 64 KiB. Any thread. */
#ifndef KVIK_BASE_OS_H
#define KVIK_BASE_OS_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

uint32_t os_processors(void);       /* that this process may use at a time; at least 1 */
uint64_t os_memory_total(void);     /* bytes that this process may have */
uint64_t os_memory_available(void); /* bytes that can be taken without swapping; 0: none, or the system does not say */
size_t os_page_bytes(void);         /* of the system: a power of two */
uint64_t os_memory_resident(void);  /* bytes that this process has in memory; 0 when the system does not say */
uint32_t os_files_open(void);       /* of this process; 0 when the system does not say */
uint64_t os_clock_ns(void);         /* monotonic, from an arbitrary start */
/* pthread_create for a thread that takes no signals: they are for the program's own threads, where they interrupt a
 * wait. Returns 0 or an errno. */
int os_thread_new(pthread_t *t, void *(*run)(void *), void *arg);
/* A descriptor that is readable from set to clear, for those who wait in poll(2): -1 with errno, or closed with close. Any
 * thread. */
int os_signal_new(void);
void os_signal_set(int fd);
void os_signal_clear(int fd);
/* The calling thread gives way to others the more the larger by is, 0 to 19 (nice). */
void os_thread_background(int by);
/* The whole system pages within these bytes of a mapping go back to the system; read again, a file's come from the file
 * and others are zeros. */
void os_drop(const void *start, size_t bytes);

#endif
