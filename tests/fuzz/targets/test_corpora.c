/* Every input of the committed corpora through its target, once, with this build. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "driver.h"

#define CORPORA "tests/fuzz/corpus"
#define INPUT_BYTES ((size_t)1 << 20)
#define MAX_TARGETS 16

static void replay(const struct fuzz_target *target, const char *path)
{
	FILE *file = fopen(path, "rb");
	unsigned char *bytes = malloc(INPUT_BYTES);
	assert_non_null(file);
	assert_non_null(bytes);
	size_t n = fread(bytes, 1, INPUT_BYTES, file);
	assert_true(n < INPUT_BYTES && !ferror(file));
	fclose(file);
	/* A copy that ends where the input does. */
	unsigned char *input = malloc(n);
	assert_true(input != NULL || n == 0);
	if (n > 0)
		memcpy(input, bytes, n);
	free(bytes);
	fuzz_name_input(path);
	target->run(input, n);
	fuzz_name_input(NULL);
	free(input);
}

static void test_corpus(void **state)
{
	const struct fuzz_target *target = *state;
	char path[512];
	size_t n = 0;
	snprintf(path, sizeof path, "%s/%s", CORPORA, target->name);
	DIR *folder = opendir(path);
	if (!folder)
		fail_msg("there is no %s", path);
	for (struct dirent *entry; (entry = readdir(folder));) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s/%.200s", CORPORA, target->name, entry->d_name);
		replay(target, path);
		n++;
	}
	closedir(folder);
	if (n < 10)
		fail_msg("%s/%s has only %zu inputs", CORPORA, target->name, n);
}

int main(void)
{
	struct CMUnitTest tests[MAX_TARGETS];
	const struct fuzz_target *t = fuzz_targets;
	size_t n = 0;
	for (; t->name && n < MAX_TARGETS; t++, n++)
		tests[n] = (struct CMUnitTest){
			.name = t->name,
			.test_func = test_corpus,
			.initial_state = (union {
						 const void *in;
						 void *out;
					 }){.in = t}
						 .out,
		};
	/* The macro counts the elements of an array. */
	return _cmocka_run_group_tests("corpora", tests, n, NULL, NULL);
}
