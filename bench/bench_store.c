/* bench_store.c: the store against the disk it lies on: how long a start takes to read the heads of a million records, and
 * records put and got per second beside plain sequential writing and reading of the same bytes in the same folder.
 *
 *     bench_store [FOLDER [GIB [RECORDS]]]        a folder that is made and removed: build/bench-store; 1 GiB; 1000000
 *
 * Cold: after the system was told to forget the files (posix_fadvise), which it does for what is synced. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/os.h"
#include "store/segment.h"
#include "store/store.h"

enum { PART_BYTES = 512 << 10, PARTS = 4, SCAN_PARTS = 9, SCAN_IDS = 128, SCAN_FILE = 16384, PLAIN = 1 << 20 };

static struct kvik_err err;

static void must(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "bench_store: %s: %s\n", what, err.text[0] ? err.text : strerror(errno));
		exit(1);
	}
}

static double seconds_since(uint64_t ns)
{
	return (double)(os_clock_ns() - ns) / 1e9;
}

static void run(const char *format, const char *folder)
{
	char command[512];
	snprintf(command, sizeof command, format, folder);
	must(system(command) == 0, command);
}

static void forget(const char *folder)
{
	const struct store_files *f = files_system();
	int dir = f->open_dir(NULL, folder, false);
	for (uint64_t n = 1; n < 100000; n++)
		for (int data = 0; data < 2; data++) {
			char name[SEGMENT_NAME];
			segment_name(name, n, data);
			int fd = f->open(NULL, dir, name, O_RDONLY, 0);
			if (fd == -ENOENT && !data)
				n = 100000;
			if (fd >= 0) {
				fdatasync(fd);
				posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
				close(fd);
			}
		}
	close(dir);
}

/* Heads as they would be, and data files of holes: a start does not read those. */
static void make_heads(const char *folder, uint32_t n)
{
	struct store_part parts[SCAN_PARTS];
	uint32_t ids[SCAN_IDS], bytes = head_size(SCAN_IDS, SCAN_PARTS);
	for (uint32_t i = 0; i < SCAN_PARTS; i++)
		parts[i] = (struct store_part){.group = (uint16_t)i, .block = i, .tokens = 16, .bytes = 65536};
	uint8_t *all = aligned_alloc(HEAD_LINE, (size_t)bytes * SCAN_FILE);
	int dir = files_system()->open_dir(NULL, folder, true);
	for (uint32_t done = 0, number = 1; done < n; number++) {
		struct segment *s;
		uint32_t m = n - done < SCAN_FILE ? n - done : SCAN_FILE;
		must(segment_make(&s, files_system(), dir, number) == 0, "a segment");
		for (uint32_t i = 0; i < m; i++) {
			for (uint32_t k = 0; k < SCAN_IDS; k++)
				ids[k] = done + i + k;
			struct store_record r = {.start = 128 * (i % 16),
						 .end = 128 * (i % 16) + SCAN_IDS,
						 .ids = ids,
						 .parts = parts,
						 .n_parts = SCAN_PARTS};
			r.text.w[0] = (done + i) * UINT64_C(0x9E3779B97F4A7C15);
			struct head_view v = head_lay_out(all + (size_t)i * bytes, &r);
			v.fixed->data_at = DATA_PAGE + i * v.fixed->data_bytes;
			head_seal_sum(&v);
			s->data_end = v.fixed->data_at + v.fixed->data_bytes;
		}
		must(files_write_all(files_system(), s->heads, all, (size_t)m * bytes, HEAD_LINE) == 0, "heads");
		must(ftruncate(s->data, (off_t)s->data_end) == 0, "data");
		segment_close(s, files_system());
		done += m;
	}
	free(all);
	close(dir);
}

static struct store *open_store(const char *folder)
{
	struct store *s;
	struct store_config c = {.where = folder, .bytes_max = UINT64_C(1) << 50, .flight_bytes = 64 << 20};
	must(store_open(&s, &c, &err) == 0, folder);
	return s;
}

static void bench_scan(const char *folder, uint32_t n)
{
	make_heads(folder, n);
	for (int warm = 0; warm < 3; warm++) {
		if (!warm)
			forget(folder);
		uint64_t start = os_clock_ns(), before = os_memory_resident();
		struct store *s = open_store(folder);
		double seconds = seconds_since(start);
		struct store_stats st = store_stats(s);
		printf("start with %llu records (%.0f MB of heads), %s: %.2f s, %.0f bytes of memory a record\n",
		       (unsigned long long)st.records, (double)n * head_size(SCAN_IDS, SCAN_PARTS) / 1e6,
		       warm ? "warm" : "cold", seconds, (double)(os_memory_resident() - before) / (double)n);
		store_close(s);
	}
	run("rm -rf %s", folder);
}

static double plain(const char *folder, uint64_t bytes, bool writes)
{
	char path[512];
	snprintf(path, sizeof path, "%s/plain", folder);
	uint8_t *buf = aligned_alloc(4096, PLAIN);
	memset(buf, 7, PLAIN);
	int fd = open(path, writes ? O_CREAT | O_RDWR : O_RDONLY, 0600);
	must(fd >= 0, path);
	uint64_t start = os_clock_ns();
	for (uint64_t at = 0; at < bytes; at += PLAIN)
		must((writes ? pwrite(fd, buf, PLAIN, (off_t)at) : pread(fd, buf, PLAIN, (off_t)at)) == PLAIN, path);
	if (writes)
		must(fdatasync(fd) == 0, path);
	double seconds = seconds_since(start);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
	free(buf);
	return (double)bytes / seconds / 1e9;
}

/* Keeps as much on its way as fits; places[n] are written (puts) or read. */
static double records(struct store *s, uint8_t *room, uint64_t *places, uint32_t n, bool puts)
{
	enum { WINDOW = 24 };
	struct store_part parts[PARTS];
	uint32_t asked = 0, ended = 0, ids[SCAN_IDS] = {0};
	for (uint32_t i = 0; i < PARTS; i++)
		parts[i] = (struct store_part){.group = (uint16_t)i, .tokens = 128, .bytes = PART_BYTES};
	uint64_t start = os_clock_ns();
	uint32_t all = puts ? n : n * PARTS;
	while (ended < all) {
		struct store_done d;
		int rc = -1;
		uint8_t *at = room + (size_t)(asked % WINDOW) * PARTS * PART_BYTES;
		if (asked < all && asked - ended < WINDOW && puts) {
			const void *data[PARTS];
			for (uint32_t i = 0; i < PARTS; i++)
				data[i] = at + (size_t)i * PART_BYTES;
			ids[0] = asked;
			struct store_record r = {.end = SCAN_IDS, .ids = ids, .parts = parts, .n_parts = PARTS};
			r.text = store_text_key(s, r.fingerprint, r.scope, ids, SCAN_IDS);
			rc = store_put(s, &r, data, asked, &err);
		} else if (asked < all && asked - ended < WINDOW * PARTS && !puts) {
			at = room + (size_t)(asked % (WINDOW * PARTS)) * PART_BYTES;
			rc = store_get(s, store_place_part(places[asked / PARTS], asked % PARTS), at, PART_BYTES, asked,
				       &err);
		}
		if (rc == 0) {
			asked++;
			continue;
		}
		must(store_wait(s, 60000) && store_next(s, &d) && d.end == STORE_OK, "a request");
		if (puts)
			places[d.ticket] = d.place;
		ended++;
	}
	if (puts)
		store_sync(s);
	return (double)n * PARTS * PART_BYTES / seconds_since(start) / 1e9;
}

static void bench_records(const char *folder, uint64_t bytes)
{
	uint32_t n = (uint32_t)(bytes / (PARTS * PART_BYTES));
	uint64_t *places = calloc(n, sizeof *places);
	uint8_t *room = aligned_alloc(4096, (size_t)24 * PARTS * PART_BYTES);
	for (size_t i = 0; i < (size_t)24 * PARTS * PART_BYTES; i++)
		room[i] = (uint8_t)(i * 2654435761u >> 13);
	for (int round = 0; round < 3; round++) {
		run("mkdir -p %s", folder);
		double plain_put = plain(folder, bytes, true), plain_get = plain(folder, bytes, false);
		run("rm -f %s/plain", folder);
		struct store *s = open_store(folder);
		double put = records(s, room, places, n, true);
		forget(folder);
		double get = records(s, room, places, n, false), again = records(s, room, places, n, false);
		printf("%s: put and sync %.2f GB/s (plain %.2f), get cold %.2f GB/s (plain %.2f), get warm %.2f GB/s\n",
		       store_stats(s).hand, put, plain_put, get, plain_get, again);
		store_close(s);
		run("rm -rf %s", folder);
	}
	free(places);
	free(room);
}

int main(int argc, char **argv)
{
	const char *folder = argc > 1 ? argv[1] : "build/bench-store";
	double gib = argc > 2 ? atof(argv[2]) : 1;
	bench_scan(folder, argc > 3 ? (uint32_t)atoi(argv[3]) : 1000000);
	bench_records(folder, (uint64_t)(gib * (double)(1 << 30)));
	return 0;
}
