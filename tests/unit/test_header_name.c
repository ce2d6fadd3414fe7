/* Names of headers: told apart by length and first letter, and without case. */
#include "../../server/http/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/http/head.h"
#include "../support/memory.h"
#include "../support/random.h"

static const struct header_name known[] = {
	HEADER_NAME("Content-Type"),
	HEADER_NAME("Content-Encoding"),
	HEADER_NAME("Accept"),
	HEADER_NAME("Accept-Encoding"),
	HEADER_NAME("Inference-Header-Content-Length"),
	HEADER_NAME("Host"),
	HEADER_NAME("Origin"),
	HEADER_NAME("X-Request-Timeout-Ms"),
	HEADER_NAME("X-Request-Id"),
	HEADER_NAME("traceparent"),
	HEADER_NAME("tracestate"),
	HEADER_NAME("Content-Length"),
	HEADER_NAME("Transfer-Encoding"),
	HEADER_NAME("Expect"),
	HEADER_NAME("x"),
};
#define N_KNOWN (sizeof known / sizeof *known)
#define N_READ 11 /* of them head_read keeps, in the order of struct head */

static void compare(const char *name)
{
	for (size_t i = 0; i < N_KNOWN; i++)
		require(header_is(name, strlen(name), &known[i]) ==
				(strcasecmp(name, known[i].text) == 0),
			"%s and %s", name, known[i].text);
}

/* One of: a letter's case, any other byte in a letter's place, a letter less, a letter more. */
static void mutate(struct random *random, char *name)
{
	size_t n = strlen(name), at = random_below(random, n + 1);
	char byte = (char)(1 + random_below(random, 255));
	switch (random_below(random, 4)) {
	case 0:
		if (at < n)
			name[at] ^= 0x20;
		break;
	case 1:
		if (at < n)
			name[at] = byte;
		break;
	case 2:
		if (n > 1)
			memmove(name + at, name + at + (at < n), n - at + (at == n));
		break;
	default:
		memmove(name + at + 1, name + at, n + 1 - at);
		name[at] = byte;
	}
}

static void names_are_as_strcasecmp_has_them(void **state)
{
	struct random random = random_start(61);
	(void)state;
	compare("");
	for (size_t i = 0; i < N_KNOWN; i++) {
		compare(known[i].text);
		for (size_t round = 0; round < 20000; round++) {
			char name[64];
			strcpy(name, known[i].text);
			for (size_t k = random_below(&random, 4); k-- > 0;)
				mutate(&random, name);
			compare(name);
		}
	}
}

/* Every first byte, which is half of what tells. */
static void first_letters_are_compared_without_case(void **state)
{
	char name[] = "?ccept";
	(void)state;
	for (int byte = 1; byte < 256; byte++) {
		name[0] = (char)byte;
		assert_int_equal(header_is(name, 6, &known[2]), byte == 'a' || byte == 'A');
	}
}

static const char *const *value_of(const struct head *head, size_t i)
{
	const char *const *const values[N_READ] = {
		&head->content_type,    &head->content_encoding, &head->accept,
		&head->accept_encoding, &head->header_length,    &head->host,
		&head->origin,          &head->timeout,          &head->request_id,
		&head->traceparent,     &head->tracestate,
	};
	return values[i];
}

/* Whatever the case, into its own place and no other. */
static void every_known_header_is_read(void **state)
{
	static const char parent[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
	(void)state;
	for (size_t i = 0; i < N_READ; i++) {
		struct loss_arena *arena = create_arena(NULL);
		struct head head = {0};
		struct loss_error err;
		char name[64];
		strcpy(name, known[i].text);
		for (char *p = name; *p; p++)
			*p ^= *p >= 'a' && *p <= 'z' ? 0x20 : 0;
		const struct header headers[] = {{name, parent}, {"TraceParent", parent}};
		bool alone = value_of(&head, i) == &head.traceparent;
		assert_int_equal(head_read(&head, headers, alone ? 1 : 2, arena, &err), LOSS_OK);
		for (size_t k = 0; k < N_READ; k++)
			assert_int_equal(*value_of(&head, k) != NULL,
					 k == i || value_of(&head, k) == &head.traceparent);
		loss_arena_destroy(arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_as_strcasecmp_has_them),
		cmocka_unit_test(first_letters_are_compared_without_case),
		cmocka_unit_test(every_known_header_is_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
