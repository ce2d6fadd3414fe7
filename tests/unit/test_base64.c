/* Base64: every instruction set that the machine has against a plain decoder and encoder, in any
 * pieces; and all that can be wrong with a text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "../../server/codec/base64/base64.h"
#include "../support/random.h"

#define MOST_BYTES ((size_t)600)
#define MOST_CHARS ((size_t)808)
#define AFTER 64 /* bytes after a room, which must stay what they are */
#define UNTOUCHED 0xa5

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* ---------------------------------------------------------------- plainly */

/* Bit by bit. */
static size_t encode_plainly(const unsigned char *in, size_t n, char *out)
{
	size_t chars = 0;
	for (size_t bit = 0; bit < 8 * n; bit += 6) {
		unsigned value = 0;
		for (size_t i = bit; i < bit + 6; i++)
			value = value << 1 | (i < 8 * n ? in[i / 8] >> (7 - i % 8) & 1 : 0);
		out[chars++] = letters[value];
	}
	while (chars % 4 != 0)
		out[chars++] = '=';
	return chars;
}

/* How many characters at the beginning of n make whole groups, and the bytes that they make. */
static size_t decode_plainly(const unsigned char *in, size_t n, unsigned char *out)
{
	size_t good = 0;
	memset(out, 0, n);
	while (good < n && in[good] != '\0' && strchr(letters, in[good]))
		good++;
	good -= good % 4;
	for (size_t bit = 0; bit < 6 * good; bit++) {
		unsigned value = (unsigned)(strchr(letters, in[bit / 6]) - letters);
		out[bit / 8] |= (unsigned char)((value >> (5 - bit % 6) & 1) << (7 - bit % 8));
	}
	return good;
}

static void fill(unsigned char *bytes, size_t n, uint64_t seed)
{
	struct random random = random_start(seed);
	for (size_t i = 0; i < n; i++)
		bytes[i] = (unsigned char)random_bits(&random);
}

static void fill_text(unsigned char *text, size_t n, uint64_t seed)
{
	fill(text, n, seed);
	for (size_t i = 0; i < n; i++)
		text[i] = (unsigned char)letters[text[i] % 64];
}

static bool is_untouched(const unsigned char *bytes)
{
	for (size_t i = 0; i < AFTER; i++)
		if (bytes[i] != UNTOUCHED)
			return false;
	return true;
}

/* ---------------------------------------------------------------- kernels */

/* In blocks of its own, so that a sanitizer sees what is read after it. */
static void check_decode(const struct base64_kernels *kernels, const unsigned char *text, size_t n)
{
	unsigned char wanted[MOST_CHARS], *in = test_malloc(n + 1);
	size_t room = n / 4 * 3;
	unsigned char *out = test_malloc(room + AFTER);
	memcpy(in + 1, text, n);
	memset(out, UNTOUCHED, room + AFTER);
	size_t good = decode_plainly(text, n, wanted);
	size_t taken = kernels->decode(in + 1, n, out);
	if (taken != good || memcmp(out, wanted, good / 4 * 3) != 0)
		fail_msg("%s: %zu characters of %zu, not %zu", kernels->isa, taken, n, good);
	assert_true(is_untouched(out + room));
	test_free(in);
	test_free(out);
}

static void test_decodes_any_length(void **state)
{
	(void)state;
	const struct base64_kernels *kernels;
	for (size_t i = 0; (kernels = base64_kernels_at(i)) != NULL; i++)
		for (size_t n = 0; n <= 500; n++) {
			unsigned char text[MOST_CHARS];
			fill_text(text, n, n + 1);
			check_decode(kernels, text, n);
		}
}

/* Of every length at which a kernel has another way through. */
static void test_decodes_up_to_any_byte_anywhere(void **state)
{
	(void)state;
	static const size_t lengths[] = {4, 43, 44, 63, 64, 88, 152, 260};
	const struct base64_kernels *kernels;
	for (size_t i = 0; (kernels = base64_kernels_at(i)) != NULL; i++)
		for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++)
			for (size_t at = 0; at < lengths[k]; at++)
				for (int byte = 0; byte < 256; byte++) {
					unsigned char text[MOST_CHARS];
					memset(text, 'Z', lengths[k]);
					text[at] = (unsigned char)byte;
					check_decode(kernels, text, lengths[k]);
				}
}

static void test_encodes_any_length(void **state)
{
	(void)state;
	const struct base64_kernels *kernels;
	for (size_t i = 0; (kernels = base64_kernels_at(i)) != NULL; i++)
		for (size_t n = 0; n <= 400; n++) {
			unsigned char bytes[MOST_BYTES], *in = test_malloc(n + 1);
			char wanted[MOST_CHARS];
			fill(bytes, n, n + 1);
			memcpy(in, bytes, n);
			size_t chars = encode_plainly(bytes, n, wanted);
			assert_int_equal(base64_length(n), chars);
			char *out = test_malloc(chars + AFTER);
			memset(out, UNTOUCHED, chars + AFTER);
			char *end = base64_write(kernels, in, n, out);
			assert_int_equal(end - out, chars);
			if (memcmp(out, wanted, chars) != 0)
				fail_msg("%s: %zu bytes", kernels->isa, n);
			assert_true(is_untouched((unsigned char *)out + chars));
			test_free(in);
			test_free(out);
		}
}

static void test_encodes_any_byte_anywhere(void **state)
{
	(void)state;
	const struct base64_kernels *kernels;
	for (size_t i = 0; (kernels = base64_kernels_at(i)) != NULL; i++)
		for (size_t at = 0; at < 120; at++)
			for (int byte = 0; byte < 256; byte++) {
				unsigned char bytes[120] = {0};
				char wanted[MOST_CHARS], out[MOST_CHARS];
				bytes[at] = (unsigned char)byte;
				size_t chars = encode_plainly(bytes, 120, wanted);
				base64_write(kernels, bytes, 120, out);
				assert_memory_equal(out, wanted, chars);
			}
}

static void test_the_table(void **state)
{
	(void)state;
	size_t n = 0;
	while (base64_kernels_at(n))
		n++;
	assert_true(n >= 1);
	assert_string_equal(base64_kernels_at(n - 1)->isa, "base");
	assert_ptr_equal(base64_kernels(loss_isa_find("base")), base64_kernels_at(n - 1));
	assert_ptr_equal(base64_kernels(NULL), base64_kernels(loss_isa()));
	for (size_t i = 0; loss_isa_at(i); i++)
		if (loss_isa_find(loss_isa_at(i)))
			assert_string_equal(base64_kernels(loss_isa_find(loss_isa_at(i)))->isa,
					    loss_isa_at(i));
}

/* ---------------------------------------------------------------- in pieces */

struct decoded {
	struct base64_decoder decoder;
	size_t n;
	unsigned char bytes[MOST_BYTES];
};

/* As the text of a string comes: what run leaves is put. */
static void feed(struct decoded *decoded, const unsigned char *text, size_t n)
{
	while (n > 0) {
		unsigned char *room = test_malloc(base64_room(n));
		size_t made, taken = base64_run(&decoded->decoder, text, n, room, &made);
		assert_true(made <= base64_room(n));
		if (taken < n) {
			unsigned char three[3];
			size_t more = base64_put(&decoded->decoder, text[taken], three);
			memcpy(room + made, three, more);
			made += more;
			taken++;
		}
		memcpy(decoded->bytes + decoded->n, room, made);
		decoded->n += made;
		text += taken;
		n -= taken;
		test_free(room);
	}
}

static void test_pieces_of_any_size(void **state)
{
	(void)state;
	const struct base64_kernels *kernels;
	for (size_t i = 0; (kernels = base64_kernels_at(i)) != NULL; i++)
		for (size_t n = 150; n < 153; n++) {
			unsigned char bytes[MOST_BYTES];
			char text[MOST_CHARS];
			fill(bytes, n, 11);
			size_t chars = encode_plainly(bytes, n, text);
			for (size_t step = 1; step <= chars; step++) {
				struct decoded decoded = {.n = 0};
				base64_start(&decoded.decoder, kernels);
				for (size_t at = 0; at < chars; at += step) {
					size_t left = chars - at;
					feed(&decoded, (const unsigned char *)text + at,
					     left < step ? left : step);
				}
				assert_int_equal(base64_finish(&decoded.decoder), BASE64_GOOD);
				assert_int_equal(decoded.decoder.n, chars);
				assert_int_equal(decoded.n, n);
				assert_memory_equal(decoded.bytes, bytes, n);
			}
		}
}

#define LONG                                                                                       \
	"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0NTY3ODkrLy4u" \
	"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0NTY3ODkrLy4u"

static const struct {
	const char *text;
	enum base64_fault fault;
	unsigned char byte; /* what is wrong, and where */
	size_t at;
} texts[] = {
	{"", BASE64_GOOD, 0, 0},
	{"AAAA", BASE64_GOOD, 0, 4},
	{"AA==", BASE64_GOOD, 0, 4},
	{"AAA=", BASE64_GOOD, 0, 4},
	{"AgAA+/+/", BASE64_GOOD, 0, 8},
	{LONG, BASE64_GOOD, 0, sizeof LONG - 1},
	{LONG "/w==", BASE64_GOOD, 0, sizeof LONG + 3},
	{"A", BASE64_CUT, 0, 1},
	{"AA", BASE64_CUT, 0, 2},
	{"AAA", BASE64_CUT, 0, 3},
	{"AA=", BASE64_CUT, 0, 3},
	{"AAAAA", BASE64_CUT, 0, 5},
	{LONG "AA", BASE64_CUT, 0, sizeof LONG + 1},
	{"=", BASE64_PADDING, '=', 0},
	{"A=", BASE64_PADDING, '=', 1},
	{"A===", BASE64_PADDING, '=', 1},
	{"AAAA=", BASE64_PADDING, '=', 4},
	{"AA===", BASE64_PADDING, '=', 4},
	{"AAA==", BASE64_PADDING, '=', 4},
	{"AA=A", BASE64_AFTER, 'A', 3},
	{"AA==AAAA", BASE64_AFTER, 'A', 4},
	{"AAA=AAAA", BASE64_AFTER, 'A', 4},
	{"AA= ", BASE64_AFTER, ' ', 3},
	{"AB==", BASE64_BITS, 'B', 1},
	{"AP==", BASE64_BITS, 'P', 1},
	{"AQ==", BASE64_GOOD, 0, 4},
	{"AAB=", BASE64_BITS, 'B', 2},
	{"AAD=", BASE64_BITS, 'D', 2},
	{"AAE=", BASE64_GOOD, 0, 4},
	{"AA-A", BASE64_STRANGER, '-', 2},
	{"_AAA", BASE64_STRANGER, '_', 0},
	{"AAAA\nAAAA", BASE64_STRANGER, '\n', 4},
	{" AAAA", BASE64_STRANGER, ' ', 0},
	{"AAAA ", BASE64_STRANGER, ' ', 4},
	{"AA\xc3\xa9", BASE64_STRANGER, 0xc3, 2},
	{LONG "*" LONG, BASE64_STRANGER, '*', sizeof LONG - 1},
};

static void test_what_is_wrong(void **state)
{
	(void)state;
	const struct base64_kernels *kernels;
	for (size_t k = 0; (kernels = base64_kernels_at(k)) != NULL; k++)
		for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
			size_t n = strlen(texts[i].text);
			for (size_t first = 0; first <= n; first++) {
				const unsigned char *text = (const void *)texts[i].text;
				struct decoded decoded = {.n = 0};
				struct base64_decoder *decoder = &decoded.decoder;
				base64_start(decoder, kernels);
				feed(&decoded, text, first);
				feed(&decoded, text + first, n - first);
				enum base64_fault fault = base64_finish(decoder);
				if (fault != texts[i].fault || decoder->n != texts[i].at ||
				    decoder->byte != texts[i].byte)
					fail_msg("\"%s\", %zu first: fault %d, '%c' at %zu",
						 texts[i].text, first, (int)fault, decoder->byte,
						 (size_t)decoder->n);
			}
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decodes_any_length),
		cmocka_unit_test(test_decodes_up_to_any_byte_anywhere),
		cmocka_unit_test(test_encodes_any_length),
		cmocka_unit_test(test_encodes_any_byte_anywhere),
		cmocka_unit_test(test_the_table),
		cmocka_unit_test(test_pieces_of_any_size),
		cmocka_unit_test(test_what_is_wrong),
	};
	return cmocka_run_group_tests_name("base64", tests, NULL, NULL);
}
