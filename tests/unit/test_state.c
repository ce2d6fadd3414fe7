/* States of totals as bytes, and base64. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "../support/random.h"
#include "../support/ulp.h"
#include "base64.h"
#include "loss.h"
#include "state.h"

/* ---------------------------------------------------------------- base64 */

static void texts_of_bytes(void **state)
{
	/* RFC 4648, section 10 */
	static const char *const texts[][2] = {{"", ""},
					       {"f", "Zg=="},
					       {"fo", "Zm8="},
					       {"foo", "Zm9v"},
					       {"foob", "Zm9vYg=="},
					       {"fooba", "Zm9vYmE="},
					       {"foobar", "Zm9vYmFy"}};
	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		char text[16] = "";
		unsigned char bytes[16];
		size_t n = strlen(texts[i][0]), size;
		base64_encode((const unsigned char *)texts[i][0], n, text);
		assert_string_equal(text, texts[i][1]);
		assert_true(base64_decode(text, strlen(text), bytes, &size));
		assert_int_equal(size, n);
		assert_memory_equal(bytes, texts[i][0], n);
	}
}

static void texts_that_are_none(void **state)
{
	static const char *const bad[] = {
		"Zg",   "Zg=",  "Z===",  "====", "Zh==",  "Zm9=",  "Zg==Zg==", "Zm9v\n",
		"Zm-v", "Zm_v", "Zm 9v", "=g==", "Zm9v=", "Z\0==", "Zm9\xff"};
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		unsigned char bytes[16];
		size_t size, n = strlen(bad[i]);
		n += (size_t)(-n & 3) * (n == 1); /* one has a NUL */
		require(!base64_decode(bad[i], n, bytes, &size), "text %zu is taken", i);
	}
}

/* ---------------------------------------------------------------- states */

static struct state_bin bins[STATE_MOST_BINS], read_bins[STATE_MOST_BINS];

static struct state make_state(void)
{
	struct state state = {.loss = loss_find("cross_entropy", 13),
			      .digest = 0x123456789abcdef0,
			      .wide = true,
			      .rows = 9,
			      .counted = 7,
			      .has = (1u << N_STATE_SECTIONS) - 1,
			      .correct = 3,
			      .norm = ECE_L2,
			      .n_bins = 20,
			      .bins = bins};
	for (size_t i = 0; i < N_STATE_SECTIONS; i++) {
		exact_sum_clear(&state.sums[i]);
		exact_sum_add(&state.sums[i], 1.5 + (double)i);
	}
	memset(bins, 0, sizeof bins);
	bins[4].rows = 7;
	bins[4].correct = 2;
	exact_sum_add(&bins[4].confidence, 0.75);
	return state;
}

static bool read(const unsigned char *bytes, size_t n, const char **why)
{
	struct state state = {.bins = read_bins};
	return state_read(&state, bytes, n, why);
}

static void a_state_comes_back(void **state)
{
	(void)state;
	unsigned char bytes[4096], again[4096];
	struct state made = make_state(), back = {.bins = read_bins};
	const char *why = "";
	size_t n = state_write(&made, bytes);
	assert_true(n <= state_room(made.n_bins, 0));
	require(state_read(&back, bytes, n, &why), "%s", why);
	assert_int_equal(state_write(&back, again), n);
	assert_memory_equal(bytes, again, n);
	assert_int_equal(back.correct, 3);
	assert_int_equal(back.bins[4].rows, 7);
	for (size_t i = 0; i < n; i++) { /* cut anywhere */
		require(!read(bytes, i, &why), "%zu bytes are taken", i);
		assert_non_null(why);
	}
}

/* What a state may not say, though its checksum is right. */
static void states_that_contradict_themselves(void **state)
{
	(void)state;
	unsigned char bytes[4096];
	const char *why;
	for (int way = 0; way < 12; way++) {
		struct state made = make_state();
		switch (way) {
		case 0:
			made.counted = 10; /* of 9 rows */
			break;
		case 1:
			made.rows = UINT64_C(1) << 63;
			break;
		case 2:
			made.correct = 8; /* of 7 */
			break;
		case 3:
			bins[4].rows = 6; /* of 7 */
			break;
		case 4:
			bins[4].rows = 8;
			break;
		case 5:
			bins[4].correct = 8;
			break;
		case 6:
			made.n_bins = 0;
			break;
		case 7:
			made.norm = (enum ece_norm)3;
			break;
		case 8:
			made.has &= ~(1u << STATE_DENOMINATOR);
			break;
		case 9:
			made.loss = loss_find("softmax", 7);
			break;
		case 10: /* more than so many rows come to */
			exact_sum_add_times(&made.sums[STATE_LOSS], 0x1.8p1023, 32);
			break;
		default: /* and just as many */
			exact_sum_add_times(&made.sums[STATE_LOSS], 0x1p1023, 9);
			break;
		}
		size_t n = state_write(&made, bytes);
		require(read(bytes, n, &why) == (way == 11), "way %d", way);
	}
}

/* Sections twice, in another order, of an unknown tag, longer than they are. */
static void sections_that_do_not_stand_so(void **state)
{
	(void)state;
	unsigned char bytes[4096], other[4096];
	struct state made = make_state();
	const char *why;
	made.has = 1u << STATE_LOSS | 1u << STATE_DENOMINATOR | 1u << STATE_CORRECT;
	size_t n = state_write(&made, bytes) - 8, head = n;
	while (bytes[head - 1] != 'L' || bytes[head] == 0)
		head--;
	head--; /* where the sections begin */
	const unsigned char *correct = bytes + n - 13;
	for (int way = 0; way < 5; way++) {
		size_t size = n;
		memcpy(other, bytes, n);
		if (way == 1) { /* twice */
			memcpy(other + n, correct, 13);
			size += 13;
		} else if (way == 2) { /* first */
			memcpy(other + head, correct, 13);
			memcpy(other + head + 13, bytes + head, n - 13 - head);
		} else if (way == 3) {
			other[n - 13] = 'X';
		} else if (way == 4) {
			other[n - 12]++;
		}
		uint64_t checksum = state_checksum(other, size);
		for (size_t i = 0; i < 8; i++)
			other[size + i] = (unsigned char)(checksum >> 8 * i);
		require(read(other, size + 8, &why) == (way == 0), "way %d", way);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_of_bytes),
		cmocka_unit_test(texts_that_are_none),
		cmocka_unit_test(a_state_comes_back),
		cmocka_unit_test(states_that_contradict_themselves),
		cmocka_unit_test(sections_that_do_not_stand_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
