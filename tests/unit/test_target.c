/* Request targets: what is path and what is query, in both forms, and without memory. */
#include "../../server/http/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "../support/memory.h"
#include "budget.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void targets_have_a_path_and_a_query(void **state)
{
	static const struct {
		const char *text, *path, *query;
		bool has_nul;
		const char *authority;
	} cases[] = {
		{"/", "/", "", false, NULL},
		{"", "", "", false, NULL},
		{"*", "*", "", false, NULL},
		{"/a/b", "/a/b", "", false, NULL},
		{"/a?b=c", "/a", "b=c", false, NULL},
		{"/a?", "/a", "", false, NULL},
		{"?b", "", "b", false, NULL},
		{"/a?b?c", "/a", "b?c", false, NULL},
		{"/a%2fb%41?%41", "/a/bA", "%41", false, NULL},
		{"/%", "/%", "", false, NULL},
		{"/%4", "/%4", "", false, NULL},
		{"/%4g%41", "/%4gA", "", false, NULL},
		{"/%?41", "/%", "41", false, NULL},
		{"/%3fa?b", "/?a", "b", false, NULL},
		{"http://a/b?c", "/b", "c", false, "a"},
		{"HTTPS://a:1/b", "/b", "", false, "a:1"},
		{"http://a", "/", "", false, "a"},
		{"http://a?b", "/", "b", false, "a"},
		{"http://", "/", "", false, ""},
		{"http:/a", "http:/a", "", false, NULL},
		{"https:/a", "https:/a", "", false, NULL},
		{"ftp://a/b", "ftp://a/b", "", false, NULL},
		{"/http://a/b", "/http://a/b", "", false, NULL},
		{"/a%00", "/a", "", true, NULL},
		{"/%00%41", "/", "", true, NULL},
	};
	struct loss_arena *arena = create_arena(NULL);
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct target target;
		memset(&target, 0xa5, sizeof target);
		assert_true(target_split(cases[i].text, arena, &target));
		assert_string_equal(target.text, cases[i].text);
		assert_int_equal(target.has_nul, cases[i].has_nul);
		assert_true(target.n_path >= strlen(cases[i].path));
		assert_memory_equal(target.path, cases[i].path, strlen(cases[i].path));
		if (!target.has_nul)
			assert_int_equal(target.n_path, strlen(cases[i].path));
		assert_string_equal(target.query, cases[i].query);
		assert_string_equal(target.authority ? target.authority : "-",
				    cases[i].authority ? cases[i].authority : "-");
		assert_int_equal(target.n_query, strlen(cases[i].query));
	}
	loss_arena_destroy(arena);
}

/* There is none for the text, for its path, or enough: true has all of it. */
static void without_memory_there_is_no_target(void **state)
{
	static char text[5 * BLOCK];
	size_t without_text = 0, without_path = 0, whole = 0;
	(void)state;
	memset(text, 'a', sizeof text - 1);
	text[0] = '/';
	memcpy(text + 1, "%41", 3); /* what stands for itself needs no memory of its own */
	for (size_t limit = BLOCK; limit < 16 * BLOCK; limit += BLOCK / 2) {
		struct loss_budget budget = budget_of(limit);
		struct loss_arena *arena = loss_arena_create(&budget);
		struct target target;
		if (!arena)
			continue;
		bool split = target_split(text, arena, &target);
		assert_int_equal(split, target.text && target.path);
		if (split)
			assert_int_equal(target.n_path, sizeof text - 3);
		without_text += !target.text;
		without_path += target.text && !target.path;
		whole += split;
		loss_arena_destroy(arena);
	}
	assert_true(without_text > 0 && without_path > 0 && whole > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(targets_have_a_path_and_a_query),
		cmocka_unit_test(without_memory_there_is_no_target),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
