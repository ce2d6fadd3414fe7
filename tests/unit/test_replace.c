/* Replacing a file: who waits for whom, and where links lead. tests/http/test_key_command.c has the
 * rest. */
#include "../support/capture.h"
#include "os/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[256], path[300];

static int set_up(void **state)
{
	(void)state;
	make_folder(folder, sizeof folder);
	snprintf(path, sizeof path, "%s/file", folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	remove_folder(folder);
	return 0;
}

static bool has(const char *file, const char *words)
{
	char text[64] = "";
	FILE *in = fopen(file, "r");
	if (!in)
		return false;
	text[fread(text, 1, sizeof text - 1, in)] = '\0';
	fclose(in);
	return strcmp(text, words) == 0;
}

/* Somebody who never ends keeps nobody for ever. */
static void a_lock_is_not_waited_for_for_ever(void **state)
{
	struct replace replace;
	(void)state;
	int other = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(other >= 0);
	assert_int_equal(flock(other, LOCK_EX), 0);
	static const unsigned patiences[] = {0, 1, 30};
	for (size_t i = 0; i < sizeof patiences / sizeof *patiences; i++) {
		errno = 0;
		assert_false(replace_begin(&replace, path, patiences[i]));
		assert_int_equal(errno, EWOULDBLOCK);
	}
	close(other);
	assert_true(replace_begin(&replace, path, 0));
	assert_false(replace.exists);
	assert_true(replace_write(&replace, "a", 1));
	assert_false(replace_begin(&(struct replace){.folder = -1}, path, 0)); /* this one has it */
	replace_end(&replace);
	assert_true(has(path, "a"));
}

static void links_lead_to_the_file(void **state)
{
	struct replace replace;
	char link[300], inner[300];
	(void)state;
	snprintf(link, sizeof link, "%s/link", folder);
	snprintf(inner, sizeof inner, "%s/inner", folder);
	assert_int_equal(symlink("inner", link), 0);
	for (int i = 0; i < 2; i++) { /* into nothing, and to the file that it makes */
		assert_true(replace_begin(&replace, link, 0));
		assert_int_equal(replace.exists, i);
		assert_true(replace_write(&replace, i ? "b" : "a", 1));
		replace_end(&replace);
		assert_true(has(inner, i ? "b" : "a"));
		assert_true(readlink(link, replace.path, sizeof replace.path) == 5);
	}
}

/* Links that point to one another, and one whose end is too far away. */
static void links_have_an_end(void **state)
{
	struct replace replace;
	char link[300], longest[PATH_MAX];
	(void)state;
	snprintf(link, sizeof link, "%s/link", folder);
	assert_int_equal(symlink("file", link), 0);
	assert_int_equal(symlink("link", path), 0);
	assert_false(replace_begin(&replace, link, 0));
	assert_int_equal(errno, ELOOP);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(unlink(link), 0);
	memset(longest, 'a', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	for (size_t i = 200; i < sizeof longest - 1; i += 200)
		longest[i] = '/';
	assert_int_equal(symlink(longest, link), 0);
	assert_false(replace_begin(&replace, link, 0));
	assert_int_equal(errno, ENAMETOOLONG);
	assert_false(replace_begin(&replace, "/nowhere/file", 0));
	assert_int_equal(errno, ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_lock_is_not_waited_for_for_ever),
		TEST(links_lead_to_the_file),
		TEST(links_have_an_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
