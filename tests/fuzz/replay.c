/* replay.c: runs a fuzz target over files and folders of inputs: the main() of the targets where libFuzzer is not
 * linked. Each input lies in a heap block of exactly its size. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

static int replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct stat st;
	if (!f || fstat(fileno(f), &st) != 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return 1;
	}
	size_t n = (size_t)st.st_size;
	uint8_t *data = malloc(n ? n : 1);
	int failed = !data || fread(data, 1, n, f) != n;
	if (!failed)
		failed = LLVMFuzzerTestOneInput(data, n) != 0;
	if (failed)
		fprintf(stderr, "%s: not replayed\n", path);
	free(data);
	fclose(f);
	return failed;
}

static int replay_folder(const char *path)
{
	struct dirent **names;
	int n = scandir(path, &names, NULL, alphasort), failed = n < 0;
	for (int i = 0; i < n; i++) {
		char file[4096];
		snprintf(file, sizeof file, "%s/%s", path, names[i]->d_name);
		if (names[i]->d_name[0] != '.')
			failed |= replay_file(file);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	printf("%s: %d inputs\n", path, n - 2);
	return failed || n <= 2; /* a folder without inputs tests nothing */
}

int main(int argc, char **argv)
{
	int failed = argc < 2;
	for (int i = 1; i < argc; i++) {
		struct stat st;
		failed |=
			stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode) ? replay_folder(argv[i]) : replay_file(argv[i]);
	}
	return failed;
}
