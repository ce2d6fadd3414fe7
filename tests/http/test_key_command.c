/* `lossd key`: what it prints, what becomes of the file, and what it says of mistakes. */
#include "../support/capture.h"
#include "../support/server.h"

#include "../../server/keys/date.h"
#include "../../server/keys/key_file.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[256], path[512];
static struct loss_arena *arena;
static struct server_run run;

static int set_up(void **state)
{
	(void)state;
	make_folder(folder, sizeof folder);
	snprintf(path, sizeof path, "%s/keys.json", folder);
	arena = loss_arena_create(NULL);
	run = (struct server_run){0};
	return arena ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	server_run_free(&run);
	loss_arena_destroy(arena);
	remove_folder(folder);
	return 0;
}

/* Ends with NULL. */
#define KEY(...) key((const char *const[]){"key", __VA_ARGS__, NULL})

static int key(const char *const *arguments)
{
	server_run_free(&run);
	assert_int_equal(server_run(&run, arguments, NULL), 0);
	return run.code;
}

static struct key_list list_of(const char *file)
{
	struct key_list list;
	struct loss_error why;
	if (!key_file_read(file, arena, &list, &why))
		fail_msg("%s", why.detail);
	return list;
}

/* ---------------------------------------------------------------- new */

static void new_prints_the_key_and_keeps_its_hash(void **state)
{
	unsigned char hash[KEY_HASH_BYTES];
	struct stat status;
	int64_t before = (int64_t)time(NULL);
	(void)state;
	if (KEY("new", "ci", "--file", path) != 0)
		fail_msg("%s", run.err);
	assert_string_equal(run.err, "");
	assert_int_equal(strlen(run.out), 50);
	assert_memory_equal(run.out, "lossd_", 6);
	assert_int_equal(run.out[49], '\n');
	struct key_list list = list_of(path);
	assert_int_equal(list.n, 1);
	assert_string_equal(list.keys[0].name, "ci");
	assert_true(key_hash(run.out, 49, hash));
	assert_memory_equal(list.keys[0].hash, hash, sizeof hash);
	assert_int_equal(list.keys[0].scopes, 1u << KEY_EVALUATE);
	assert_true(list.keys[0].created >= before && list.keys[0].created <= time(NULL));
	assert_true(list.keys[0].expires == KEY_NO_TIME);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
}

static void new_takes_all_that_a_key_has(void **state)
{
	(void)state;
	if (KEY("new", "--scopes", "admin,evaluate", "--expires=2999-12-31T23:59:59+01:00", "all",
		"--requests-per-second", "7", "--bytes-per-second=1099511627776", "--file", path))
		fail_msg("%s", run.err);
	struct key_list list = list_of(path);
	const struct key *only = &list.keys[0];
	char date[DATE_SIZE];
	assert_int_equal(only->scopes, 1u << KEY_EVALUATE | 1u << KEY_ADMIN);
	assert_string_equal(date_write(only->expires, date), "2999-12-31T22:59:59Z");
	assert_int_equal(only->requests_per_second, 7);
	assert_int_equal(only->bytes_per_second, (uint64_t)1 << 40);
}

static void ends_may_be_days_or_so_long_from_now(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds; /* 0: a date */
	} cases[] = {
		{"1h", 3600},      {"12h", 43200},    {"90d", 7776000},
		{"52w", 31449600}, {"2999-02-28", 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char name[8], date[DATE_SIZE];
		snprintf(name, sizeof name, "%zu", i);
		if (KEY("new", name, "--expires", cases[i].text, "--file", path) != 0)
			fail_msg("%s", run.err);
		struct key_list list = list_of(path);
		const struct key *last = &list.keys[list.n - 1];
		if (cases[i].seconds)
			assert_true(last->expires == last->created + cases[i].seconds);
		else
			assert_string_equal(date_write(last->expires, date),
					    "2999-02-28T00:00:00Z");
	}
}

static void owner_and_mode_stay(void **state)
{
	struct stat status;
	(void)state;
	assert_int_equal(KEY("new", "a", "--file", path), 0);
	assert_int_equal(chmod(path, 0640), 0);
	bool root = geteuid() == 0;
	if (root)
		assert_int_equal(chown(path, 12345, 23456), 0);
	assert_int_equal(KEY("new", "b", "--file", path), 0);
	assert_int_equal(KEY("remove", "a", "--file", path), 0);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0640);
	assert_int_equal(status.st_uid, root ? 12345 : geteuid());
	assert_int_equal(status.st_gid, root ? 23456 : status.st_gid);
	assert_int_equal(list_of(path).n, 1);
}

/* A link stays one; what it points to changes. Nothing else is left in the folder. */
static void links_are_followed(void **state)
{
	char link[512], other[512];
	struct stat status;
	(void)state;
	snprintf(link, sizeof link, "%s/link", folder);
	snprintf(other, sizeof other, "%s/keys.json.new", folder);
	write_file(other, "what a program left that was killed");
	assert_int_equal(KEY("new", "a", "--file", path), 0);
	assert_int_equal(symlink("keys.json", link), 0);
	assert_int_equal(KEY("new", "b", "--file", link), 0);
	assert_int_equal(lstat(link, &status), 0);
	assert_true(S_ISLNK(status.st_mode));
	assert_int_equal(list_of(path).n, 2);
	assert_int_equal(stat(other, &status), -1);
}

/* ---------------------------------------------------------------- list, remove */

static void list_is_a_table_without_hashes(void **state)
{
	static const char text[] =
		"{\"keys\": [{\"name\": \"old\", \"hash\": "
		"\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\", \"scopes\": "
		"[\"metrics\"], \"expires\": \"2020-01-01T00:00:00Z\"}, {\"name\": \"continuous "
		"integration\", \"hash\": "
		"\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\", \"scopes\": "
		"[\"evaluate\", \"metrics\", \"admin\"], \"created\": \"2020-01-01T00:00:00Z\", "
		"\"requests_per_second\": 10, \"bytes_per_second\": 1000000}]}";
	(void)state;
	write_file(path, text);
	assert_int_equal(KEY("list", "--file", path), 0);
	assert_string_equal(run.out,
			    "NAME                    SCOPES                  CREATED               "
			    "EXPIRES            "
			    "             REQUESTS/S  BYTES/S\n"
			    "old                     metrics                 -                     "
			    "2020-01-01T00:00:00Z (expired)           -  -\n"
			    "continuous integration  evaluate,metrics,admin  2020-01-01T00:00:00Z  "
			    "never              "
			    "                     10  1000000\n");
	assert_string_equal(run.err, "");
}

static void remove_takes_one_away(void **state)
{
	static const char *const names[] = {"a", "b", "c"};
	(void)state;
	for (int gone = 0; gone < 3; gone++) {
		remove(path);
		for (int i = 0; i < 3; i++)
			assert_int_equal(KEY("new", names[i], "--file", path), 0);
		assert_int_equal(KEY("remove", names[gone], "--file", path), 0);
		assert_string_equal(run.out, "");
		struct key_list list = list_of(path);
		assert_int_equal(list.n, 2);
		assert_string_equal(list.keys[0].name, names[gone == 0]);
		assert_string_equal(list.keys[1].name, names[gone == 2 ? 1 : 2]);
	}
	assert_int_equal(KEY("remove", "a", "--file", path), 0);
	assert_int_equal(KEY("remove", "b", "--file", path), 0);
	assert_int_equal(list_of(path).n, 0);
}

/* ---------------------------------------------------------------- mistakes */

static void mistakes_are_one_line_and_change_nothing(void **state)
{
#define LONG "0123456789012345678901234567890123456789012345678901234567890123"
#define HELP "; see lossd key --help\n"
#define NO_END                                                                                     \
	"lossd key: --expires must be a time like 2027-01-31 or 2027-01-31T12:00:00Z, or how "     \
	"long "                                                                                    \
	"from now, like 12h, 90d or 52w, not "
	const struct {
		const char *arguments[10];
		const char *line; /* its end is a newline, where it is the whole line */
	} cases[] = {
		{{NULL}, "lossd key: say new, list or remove" HELP},
		{{"add", "a"}, "lossd key: \"add\" is none of new, list and remove" HELP},
		{{"new", "--file", path}, "lossd key: lossd key new needs the name of a key\n"},
		{{"remove", "--file", path},
		 "lossd key: lossd key remove needs the name of a key\n"},
		{{"new", "b"},
		 "lossd key: lossd key new needs --file and the path of the file of keys\n"},
		{{"list"},
		 "lossd key: lossd key list needs --file and the path of the file of keys\n"},
		{{"list", "a", "--file", path},
		 "lossd key: lossd key list has no place for \"a\"" HELP},
		{{"new", "b", "c", "--file", path},
		 "lossd key: lossd key new has no place for \"c\"" HELP},
		{{"remove", "a", "--scopes", "admin", "--file", path},
		 "lossd key: lossd key remove has no flag \"--scopes\"" HELP},
		{{"new", "b", "--files", path},
		 "lossd key: lossd key new has no flag \"--files\"" HELP},
		{{"new", "b", "--file"}, "lossd key: --file needs a value\n"},
		{{"new", "b", "--file="}, "lossd key: --file must be a file's path, not \"\"\n"},
		{{"new", "b", "--file", path, "--file", path},
		 "lossd key: --file is given twice; give it once\n"},
		{{"new", "a", "--file", path}, "there is a key \"a\" already\n"},
		{{"remove", "b", "--file", path}, "there is no key \"b\"\n"},
		{{"new", "", "--file", path},
		 "lossd key: the name of a key must have 1 to 64 bytes of UTF-8 and no control "
		 "characters; "
		 "\"\" "
		 "has not\n"},
		{{"new", LONG "0", "--file", path}, "1 to 64 bytes"},
		{{"new", "a\nb", "--file", path}, "\"a?b\" has not\n"},
		{{"new", "b", "--scopes", "all", "--file", path},
		 "lossd key: --scopes must be a list of evaluate, metrics and admin, with commas "
		 "and no "
		 "spaces, not \"all\"\n"},
		{{"new", "b", "--scopes", "", "--file", path}, "not \"\"\n"},
		{{"new", "b", "--scopes", "evaluate,", "--file", path}, "not \"evaluate,\"\n"},
		{{"new", "b", "--expires", "tomorrow", "--file", path}, NO_END "\"tomorrow\"\n"},
		{{"new", "b", "--expires", "90", "--file", path}, NO_END "\"90\"\n"},
		{{"new", "b", "--expires", "d", "--file", path}, NO_END "\"d\"\n"},
		{{"new", "b", "--expires", "-1d", "--file", path}, NO_END "\"-1d\"\n"},
		{{"new", "b", "--expires", "99999999999999999999d", "--file", path},
		 NO_END "\"99999999999999999999d\"\n"},
		{{"new", "b", "--expires", "2027-02-30", "--file", path},
		 NO_END "\"2027-02-30\"\n"},
		{{"new", "b", "--expires", "2020-01-01", "--file", path},
		 "lossd key: --expires is 2020-01-01, which must be later than now ("},
		{{"new", "b", "--expires", "0d", "--file", path},
		 "lossd key: --expires is 0d, which must be later than now ("},
		{{"new", "b", "--expires", "8000000w", "--file", path}, "before the year 10000\n"},
		{{"new", "b", "--requests-per-second", "0", "--file", path},
		 "lossd key: --requests-per-second must be a whole number from 1 to 1000000, not "
		 "\"0\"\n"},
		{{"new", "b", "--requests-per-second", "1000001", "--file", path},
		 "not \"1000001\"\n"},
		{{"new", "b", "--requests-per-second", "1.5", "--file", path}, "not \"1.5\"\n"},
		{{"new", "b", "--requests-per-second", "+5", "--file", path}, "not \"+5\"\n"},
		{{"new", "b", "--bytes-per-second", "1099511627777", "--file", path},
		 "from 1 to 1099511627776, not \"1099511627777\"\n"},
		{{"new", "b", "--bytes-per-second", "18446744073709551617", "--file", path},
		 "not \"18446744073709551617\"\n"},
		{{"new", "b", "--file", folder}, "is no regular file\n"},
		{{"list", "--file", "/nowhere/keys.json"},
		 "lossd key: file /nowhere/keys.json: No such file or directory\n"},
		{{"new", "b", "--file", "/nowhere/keys.json"},
		 "lossd key: file /nowhere/keys.json: No such file or directory\n"},
	};
	(void)state;
	assert_int_equal(KEY("new", LONG, "--file", path), 0);
	assert_int_equal(KEY("new", "a", "--file", path), 0);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *arguments[12] = {"key"};
		memcpy(arguments + 1, cases[i].arguments, sizeof cases[i].arguments);
		assert_int_equal(key(arguments), 2);
		const char *newline = strchr(run.err, '\n');
		if (!newline || newline[1] || !strstr(run.err, cases[i].line))
			fail_msg("not \"%s\": %s", cases[i].line, run.err);
		assert_string_equal(run.out, "");
		assert_int_equal(list_of(path).n, 2);
	}
}

static void a_file_that_is_wrong_is_not_touched(void **state)
{
	static const char text[] = "{\"keys\": [{\"name\": \"a\"}]}";
	char now[256] = "";
	(void)state;
	write_file(path, text);
	for (int i = 0; i < 3; i++) {
		static const char *const actions[] = {"new", "remove", "list"};
		const char *arguments[] = {"key", actions[i],         "--file",
					   path,  i < 2 ? "a" : NULL, NULL};
		assert_int_equal(key(arguments), 2);
		assert_non_null(strstr(run.err, ": keys[0] has no hash\n"));
	}
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fread(now, 1, sizeof now, file), sizeof text - 1);
	fclose(file);
	assert_string_equal(now, text);
}

static void help_is_there(void **state)
{
	static const char *const ways[] = {"--help", "-h", "help"};
	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(KEY(ways[i]), 0);
		assert_memory_equal(run.out, "usage: lossd key new NAME", 25);
	}
	assert_int_equal(KEY("new", "--help"), 0);
	assert_string_equal(run.err, "");
}

/* ---------------------------------------------------------------- several at once, and ends */

static const char *program(void)
{
	static char name[512];
	const char *lossd = getenv("LOSSD"), *build = getenv("BUILD");
	snprintf(name, sizeof name, "%s%s",
		 lossd   ? lossd
		 : build ? build
			 : "build",
		 lossd ? "" : "/lossd");
	return name;
}

static pid_t begin(const char *action, const char *name)
{
	pid_t pid = fork();
	if (pid == 0) {
		if (!freopen("/dev/null", "w", stdout))
			_exit(3);
		execl(program(), "lossd", "key", action, name, "--file", path, (char *)NULL);
		_exit(3);
	}
	assert_true(pid > 0);
	return pid;
}

static void of_several_at_once_none_is_lost(void **state)
{
	enum { MANY = 24 };
	pid_t pids[MANY];
	(void)state;
	for (int i = 0; i < MANY; i++) {
		char name[16];
		snprintf(name, sizeof name, "key %d", i);
		pids[i] = begin("new", name);
	}
	for (int i = 0; i < MANY; i++) {
		int status;
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	assert_int_equal(list_of(path).n, MANY);
}

/* Killed at any moment: what is there is a file, with what was in it. */
static void a_program_that_is_killed_leaves_a_whole_file(void **state)
{
	int killed = 0;
	(void)state;
	assert_int_equal(KEY("new", "first", "--file", path), 0);
	for (int i = 0; i < 200; i++) {
		pid_t pid = begin(i % 2 ? "remove" : "new", "second");
		struct timespec start, now;
		int status;
		clock_gettime(CLOCK_MONOTONIC, &start);
		do /* from 0 to 10 ms, which is more than it takes */
			clock_gettime(CLOCK_MONOTONIC, &now);
		while ((now.tv_sec - start.tv_sec) * 1000000 +
			       (now.tv_nsec - start.tv_nsec) / 1000 <
		       i * 50);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		killed += WIFSIGNALED(status);
		struct key_list list = list_of(path);
		assert_true(list.n == 1 || list.n == 2);
		assert_string_equal(list.keys[0].name, "first");
	}
	assert_true(killed > 0);
	/* Nobody waits for those that are gone. */
	assert_int_equal(KEY("new", "last", "--file", path), 0);
}

/* ---------------------------------------------------------------- nobody reads the key */

/* As a shell runs it, with what stands after it: where its output goes. The status. */
static int in_a_shell(const char *action, const char *file, const char *after)
{
	char command[2048];
	snprintf(command, sizeof command, "'%s' key %s --file '%s' 2>'%s/err' %s", program(),
		 action, file, folder, after);
	int status = system(command);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void err_has(const char *words)
{
	char name[512], text[1024];
	snprintf(name, sizeof name, "%s/err", folder);
	FILE *err = fopen(name, "r");
	assert_non_null(err);
	text[fread(text, 1, sizeof text - 1, err)] = '\0';
	fclose(err);
	if (!strstr(text, words) || strchr(text, '\n') != text + strlen(text) - 1)
		fail_msg("no line with \"%s\": %s", words, text);
}

static void a_key_that_nobody_gets_is_none(void **state)
{
	(void)state;
	assert_int_equal(KEY("new", "a", "--file", path), 0);
	assert_int_equal(in_a_shell("new b", path, ">&-"), 2);
	err_has("lossd key: standard output: Bad file descriptor; no key is made\n");
	assert_int_equal(in_a_shell("new b", path, "<&- >&-"), 2);
	err_has("Bad file descriptor; no key is made\n");
	if (access("/dev/full", W_OK) == 0) {
		assert_int_equal(in_a_shell("new b", path, ">/dev/full"), 2);
		err_has("No space left on device; no key is made\n");
	}
	struct key_list list = list_of(path);
	assert_int_equal(list.n, 1);
	assert_string_equal(list.keys[0].name, "a");
	assert_int_equal(in_a_shell("list", path, ">&-"), 2);
	err_has("lossd key: standard output: Bad file descriptor\n");
	assert_int_equal(in_a_shell("remove a", path, ">&-"), 0); /* prints nothing */
	assert_int_equal(list_of(path).n, 0);
}

/* The reader of a pipe has gone before there is anything to read. */
static void a_reader_that_has_gone_gets_no_key(void **state)
{
	int ends[2], status;
	(void)state;
	assert_int_equal(pipe(ends), 0);
	close(ends[0]);
	pid_t pid = fork();
	if (pid == 0) {
		if (dup2(ends[1], STDOUT_FILENO) < 0)
			_exit(3);
		execl(program(), "lossd", "key", "new", "a", "--file", path, (char *)NULL);
		_exit(3);
	}
	close(ends[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 2);
	assert_int_equal(list_of(path).n, 0);
}

/* ---------------------------------------------------------------- links to nothing */

/* The link stays, and the file is made where it points. */
static void links_to_nothing_are_followed(void **state)
{
	char link[512], other[512];
	struct stat status;
	(void)state;
	snprintf(link, sizeof link, "%s/link", folder);
	snprintf(other, sizeof other, "%s/other", folder);
	assert_int_equal(symlink("other", link), 0);
	assert_int_equal(symlink(path, other), 0);
	assert_int_equal(KEY("new", "a", "--file", link), 0);
	assert_int_equal(lstat(link, &status), 0);
	assert_true(S_ISLNK(status.st_mode));
	assert_int_equal(lstat(other, &status), 0);
	assert_true(S_ISLNK(status.st_mode));
	assert_int_equal(list_of(path).n, 1);
}

static void links_that_lead_nowhere_are_told(void **state)
{
	char loop[512], lost[512], line[1200];
	(void)state;
	snprintf(loop, sizeof loop, "%s/loop", folder);
	snprintf(lost, sizeof lost, "%s/lost", folder);
	assert_int_equal(symlink("loop", loop), 0);
	assert_int_equal(symlink("/nowhere/keys.json", lost), 0);
	assert_int_equal(KEY("new", "a", "--file", loop), 2);
	snprintf(line, sizeof line, "lossd key: file %s: Too many levels of symbolic links\n",
		 loop);
	assert_string_equal(run.err, line);
	assert_int_equal(KEY("new", "a", "--file", lost), 2);
	snprintf(line, sizeof line, "lossd key: file %s: No such file or directory\n", lost);
	assert_string_equal(run.err, line);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(new_prints_the_key_and_keeps_its_hash),
		TEST(new_takes_all_that_a_key_has),
		TEST(a_key_that_nobody_gets_is_none),
		TEST(a_reader_that_has_gone_gets_no_key),
		TEST(links_to_nothing_are_followed),
		TEST(links_that_lead_nowhere_are_told),
		TEST(ends_may_be_days_or_so_long_from_now),
		TEST(owner_and_mode_stay),
		TEST(links_are_followed),
		TEST(list_is_a_table_without_hashes),
		TEST(remove_takes_one_away),
		TEST(mistakes_are_one_line_and_change_nothing),
		TEST(a_file_that_is_wrong_is_not_touched),
		TEST(help_is_there),
		TEST(of_several_at_once_none_is_lost),
		TEST(a_program_that_is_killed_leaves_a_whole_file),
	};
	return cmocka_run_group_tests_name("lossd key", tests, NULL, NULL);
}
