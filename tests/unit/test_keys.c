/* Who gets in: scopes, dates, rates by a clock of the test's own, and lists that are replaced. */
#include "keys/keys.h"
#include "keys/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND UINT64_C(1000000000)
#define START (UINT64_C(12345) * SECOND)

static struct loss_arena *arena;
static struct keys *keys;
static struct keys_guest guest;
static uint64_t now_ns;

static int set_up(void **state)
{
	(void)state;
	arena = loss_arena_create(NULL);
	keys = arena ? keys_create(arena) : NULL;
	now_ns = START;
	return keys ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	keys_destroy(keys);
	loss_arena_destroy(arena);
	return 0;
}

/* Whose name is the key itself. */
static struct key key_of(const char *text)
{
	struct key key = {.scopes = 1u << KEY_EVALUATE, .expires = KEY_NO_TIME};
	snprintf(key.name, sizeof key.name, "%s", text);
	assert_true(key_hash(text, strlen(text), key.hash));
	return key;
}

static void use(const struct key *list, size_t n)
{
	struct key_list copy = {malloc((n + 1) * sizeof *list), n};
	assert_non_null(copy.keys);
	if (n > 0)
		memcpy(copy.keys, list, n * sizeof *list);
	assert_true(keys_replace(keys, &copy));
	free(copy.keys); /* nothing of it is needed any more */
}

static enum keys_verdict visit(const char *key, enum key_scope scope, uint64_t bytes)
{
	const struct keys_visit visit = {.key = key,
					 .n = strlen(key),
					 .scope = scope,
					 .has_body = bytes > 0,
					 .bytes = bytes,
					 .now_ns = now_ns,
					 .now = 1000};
	return keys_judge(keys, &visit, &guest);
}

static enum keys_verdict knock(const char *key)
{
	return visit(key, KEY_EVALUATE, 0);
}

/* ---------------------------------------------------------------- keys */

static void without_keys_nobody_gets_in(void **state)
{
	(void)state;
	assert_int_equal(knock("a"), KEYS_UNKNOWN);
	assert_int_equal(knock(""), KEYS_UNKNOWN);
	assert_string_equal(guest.name, "");
	use(NULL, 0);
	assert_int_equal(knock("a"), KEYS_UNKNOWN);
}

static void keys_are_told_apart(void **state)
{
	const struct key list[] = {key_of("a"), key_of("b")};
	(void)state;
	use(list, 2);
	assert_int_equal(knock("b"), KEYS_ADMITTED);
	assert_string_equal(guest.name, "b");
	assert_int_equal(knock("a"), KEYS_ADMITTED);
	assert_string_equal(guest.name, "a");
	assert_int_equal(knock("c"), KEYS_UNKNOWN);
	assert_int_equal(knock("ab"), KEYS_UNKNOWN);
	assert_int_equal(knock(""), KEYS_UNKNOWN);
	assert_string_equal(guest.name, "");
}

static void every_scope_is_for_itself(void **state)
{
	(void)state;
	for (unsigned scopes = 1; scopes < 1u << KEY_N_SCOPES; scopes++) {
		struct key key = key_of("a");
		key.scopes = scopes;
		use(&key, 1);
		for (int scope = 0; scope < KEY_N_SCOPES; scope++) {
			enum keys_verdict verdict = visit("a", (enum key_scope)scope, 0);
			assert_int_equal(verdict,
					 scopes >> scope & 1 ? KEYS_ADMITTED : KEYS_NO_SCOPE);
			assert_string_equal(guest.name, "a");
		}
	}
}

static void keys_end_at_their_second(void **state)
{
	static const int64_t ends[] = {-62167219200, 0, 999, 1000, 1001, KEY_NO_TIME};
	(void)state;
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		struct key key = key_of("a");
		key.expires = ends[i];
		use(&key, 1);
		assert_int_equal(knock("a"), ends[i] <= 1000 ? KEYS_EXPIRED : KEYS_ADMITTED);
		assert_true(guest.expired == ends[i]);
	}
}

/* Each of ten thousand is found, and none that looks like one. */
static void there_may_be_many(void **state)
{
	enum { MANY = 10000 };
	struct key *list = calloc(MANY, sizeof *list);
	char text[32];
	(void)state;
	assert_non_null(list);
	for (int i = 0; i < MANY; i++) {
		snprintf(text, sizeof text, "key %d", i);
		list[i] = key_of(text);
	}
	use(list, MANY);
	for (int i = 0; i < 2 * MANY; i++) {
		snprintf(text, sizeof text, "key %d", i);
		assert_int_equal(knock(text), i < MANY ? KEYS_ADMITTED : KEYS_UNKNOWN);
		assert_string_equal(guest.name, i < MANY ? text : "");
	}
	free(list);
}

/* ---------------------------------------------------------------- rates */

/* How many of a hundred come in at once. */
static int burst(const char *key)
{
	int n = 0;
	for (int i = 0; i < 100; i++)
		n += knock(key) == KEYS_ADMITTED;
	return n;
}

static void requests_come_in_bursts_of_a_second(void **state)
{
	static const uint64_t rates[] = {1, 2, 3, 7, 10, 99};
	(void)state;
	for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
		struct key key = key_of("a");
		key.requests_per_second = rates[i];
		key.hash[31] ^= 1; /* another key, whose bucket is full */
		use(&key, 1);
		key.hash[31] ^= 1;
		use(&key, 1);
		assert_int_equal(burst("a"), rates[i]);
		assert_int_equal(knock("a"), KEYS_TOO_MANY_REQUESTS);
		assert_int_equal(guest.rate, rates[i]);
		assert_string_equal(guest.name, "a");
		/* Whoever comes when he was told to is let in, and a moment before he is not. */
		now_ns += guest.wait_ns - 1;
		assert_int_equal(knock("a"), KEYS_TOO_MANY_REQUESTS);
		assert_int_equal(guest.wait_ns, 1);
		now_ns += 1;
		assert_int_equal(knock("a"), KEYS_ADMITTED);
		assert_int_equal(guest.wait_ns, 0);
		assert_int_equal(knock("a"), KEYS_TOO_MANY_REQUESTS);
		/* What is not used in ten seconds is not there afterwards. */
		now_ns += 10 * SECOND;
		assert_int_equal(burst("a"), rates[i]);
		now_ns += 10 * SECOND;
	}
}

/* Over a minute of knocking every millisecond as many come in as should, and one burst. */
static void a_rate_holds_over_time(void **state)
{
	static const uint64_t rates[] = {1, 3, 7, 500, 999};
	(void)state;
	for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
		struct key key = key_of("a");
		uint64_t n = 0;
		key.requests_per_second = rates[i];
		use(NULL, 0);
		use(&key, 1);
		for (int ms = 0; ms < 60000; ms++, now_ns += SECOND / 1000)
			n += knock("a") == KEYS_ADMITTED;
		assert_in_range(n, 60 * rates[i], 61 * rates[i]);
	}
}

static void who_is_not_let_in_takes_nothing(void **state)
{
	struct key list[] = {key_of("a"), key_of("b")};
	(void)state;
	list[0].requests_per_second = 2;
	list[0].bytes_per_second = 100;
	use(list, 2);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(visit("a", KEY_ADMIN, 1000), KEYS_NO_SCOPE);
		assert_int_equal(knock("x"), KEYS_UNKNOWN);
	}
	assert_int_equal(visit("a", KEY_EVALUATE, 101), KEYS_ADMITTED);
	for (int i = 0; i < 100; i++)
		assert_int_equal(visit("a", KEY_EVALUATE, 1), KEYS_TOO_MANY_BYTES);
	assert_int_equal(knock("a"), KEYS_ADMITTED);
	assert_int_equal(knock("a"), KEYS_TOO_MANY_REQUESTS);
	/* One key's rate is nothing to another. */
	assert_int_equal(burst("b"), 100);
}

static void a_body_is_let_in_while_a_byte_is_left(void **state)
{
	static const struct {
		uint64_t first, second; /* bytes */
		uint64_t wait_ms;       /* of the third, which has one byte */
	} cases[] = {
		{999, 0, 0},  {999, 1, 1},       {1000, 0, 1},
		{1001, 0, 2}, {500, 3000, 2501}, {5000, 0, 4001},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct key key = key_of("a");
		key.bytes_per_second = 1000;
		use(NULL, 0);
		use(&key, 1);
		assert_int_equal(visit("a", KEY_EVALUATE, cases[i].first), KEYS_ADMITTED);
		assert_true(guest.metered);
		assert_int_equal(visit("a", KEY_EVALUATE, cases[i].second), KEYS_ADMITTED);
		assert_int_equal(visit("a", KEY_EVALUATE, 1),
				 cases[i].wait_ms ? KEYS_TOO_MANY_BYTES : KEYS_ADMITTED);
		assert_int_equal(guest.wait_ns, cases[i].wait_ms * 1000000);
		assert_false(guest.metered && cases[i].wait_ms);
		/* Whoever brings none is not asked. */
		assert_int_equal(knock("a"), KEYS_ADMITTED);
	}
}

/* Of a body whose length nobody told, bytes count as they come. */
static void bytes_count_as_they_come(void **state)
{
	struct key list[] = {key_of("a"), key_of("b")};
	const struct keys_visit chunked = {.key = "a", .n = 1, .has_body = true, .now_ns = START};
	(void)state;
	list[0].bytes_per_second = 1000;
	use(list, 2);
	assert_int_equal(keys_judge(keys, &chunked, &guest), KEYS_ADMITTED);
	for (int i = 0; i < 999; i++)
		keys_spend(keys, &guest, 1, now_ns);
	struct keys_guest first = guest;
	assert_int_equal(keys_judge(keys, &chunked, &guest), KEYS_ADMITTED);
	keys_spend(keys, &first, 1, now_ns);
	assert_int_equal(keys_judge(keys, &chunked, &guest), KEYS_TOO_MANY_BYTES);
	assert_int_equal(guest.wait_ns, 1000000);
	/* One without a rate, and one that is gone, have nothing to spend. */
	assert_int_equal(knock("b"), KEYS_ADMITTED);
	keys_spend(keys, &guest, UINT64_MAX, now_ns);
	assert_int_equal(visit("b", KEY_EVALUATE, 1), KEYS_ADMITTED);
	use(&list[1], 1);
	keys_spend(keys, &first, 1, now_ns);
}

/* However much is taken, there is an end to it, and no number turns over. */
static void the_largest_numbers_are_only_large(void **state)
{
	struct key key = key_of("a");
	(void)state;
	key.bytes_per_second = 1;
	use(&key, 1);
	assert_int_equal(visit("a", KEY_EVALUATE, UINT64_MAX), KEYS_ADMITTED);
	const struct keys_guest first = guest;
	for (int i = 0; i < 8; i++) {
		keys_spend(keys, &first, UINT64_MAX, now_ns);
		assert_int_equal(visit("a", KEY_EVALUATE, 1), KEYS_TOO_MANY_BYTES);
		assert_true(guest.wait_ns > SECOND * 86400);
	}
	key.bytes_per_second = KEY_MAX_BYTES;
	use(NULL, 0);
	use(&key, 1);
	assert_int_equal(visit("a", KEY_EVALUATE, KEY_MAX_BYTES), KEYS_ADMITTED);
	assert_int_equal(rate_cost(1, KEY_MAX_REQUESTS), 1000);
	assert_int_equal(rate_cost(UINT64_MAX, 1), UINT64_MAX / 4);
}

/* ---------------------------------------------------------------- lists that are replaced */

static void what_is_taken_stays_taken(void **state)
{
	struct key list[] = {key_of("a"), key_of("b"), key_of("c")};
	(void)state;
	for (int i = 0; i < 3; i++) {
		list[i].requests_per_second = 5;
		list[i].bytes_per_second = 100;
	}
	use(list, 2);
	assert_int_equal(burst("a"), 5);
	assert_int_equal(visit("b", KEY_EVALUATE, 200), KEYS_ADMITTED);
	/* Under another name, in another place, with another rate: it is the key that counts. */
	struct key other[] = {list[2], list[1], list[0]};
	snprintf(other[2].name, sizeof other[2].name, "renamed");
	other[2].requests_per_second = 10;
	use(other, 3);
	assert_int_equal(knock("a"), KEYS_TOO_MANY_REQUESTS);
	assert_string_equal(guest.name, "renamed");
	assert_int_equal(guest.rate, 10);
	assert_int_equal(visit("b", KEY_EVALUATE, 1), KEYS_TOO_MANY_BYTES);
	assert_int_equal(burst("c"), 5);
	/* A key that was away begins anew. */
	use(other, 2);
	assert_int_equal(knock("a"), KEYS_UNKNOWN);
	use(other, 3);
	assert_int_equal(burst("a"), 10);
}

static void a_list_that_can_not_be_read_changes_nothing(void **state)
{
	struct key key = key_of("a");
	struct loss_error why;
	(void)state;
	use(&key, 1);
	assert_false(keys_load(keys, "/nowhere/keys.json", &why));
	assert_true(strlen(why.detail) > 0);
	assert_int_equal(knock("a"), KEYS_ADMITTED);
}

#define VISITORS 4

static atomic_bool over;
static atomic_int visits, wrong;

static void *keep_coming(void *context)
{
	(void)context;
	const struct keys_visit good = {
		.key = "stays", .n = 5, .has_body = true, .bytes = 1, .now_ns = START};
	const struct keys_visit bad = {.key = "never", .n = 5};
	while (!atomic_load(&over)) {
		struct keys_guest mine;
		if (keys_judge(keys, &good, &mine) != KEYS_ADMITTED || strcmp(mine.name, "stays"))
			atomic_fetch_add(&wrong, 1);
		keys_spend(keys, &mine, 1, START);
		if (keys_judge(keys, &bad, &mine) != KEYS_UNKNOWN || mine.name[0])
			atomic_fetch_add(&wrong, 1);
		atomic_fetch_add(&visits, 1);
	}
	return NULL;
}

/* A thousand times, while others come and go: whoever has a key gets in, nobody else does. */
static void lists_are_replaced_under_load(void **state)
{
	struct key list[64];
	pthread_t threads[VISITORS];
	(void)state;
	for (int i = 0; i < 64; i++) {
		char text[32];
		snprintf(text, sizeof text, "key %d", i);
		list[i] = key_of(i == 0 ? "stays" : text);
		list[i].bytes_per_second = KEY_MAX_BYTES;
	}
	use(list, 1);
	for (int i = 0; i < VISITORS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, keep_coming, NULL), 0);
	for (int i = 0; i < 1000 || atomic_load(&visits) < 1000; i++)
		use(list, (size_t)(i % 64) + 1);
	atomic_store(&over, true);
	for (int i = 0; i < VISITORS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(atomic_load(&wrong), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_keys_nobody_gets_in),
		TEST(keys_are_told_apart),
		TEST(every_scope_is_for_itself),
		TEST(keys_end_at_their_second),
		TEST(there_may_be_many),
		TEST(requests_come_in_bursts_of_a_second),
		TEST(a_rate_holds_over_time),
		TEST(who_is_not_let_in_takes_nothing),
		TEST(a_body_is_let_in_while_a_byte_is_left),
		TEST(bytes_count_as_they_come),
		TEST(the_largest_numbers_are_only_large),
		TEST(what_is_taken_stays_taken),
		TEST(a_list_that_can_not_be_read_changes_nothing),
		TEST(lists_are_replaced_under_load),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
