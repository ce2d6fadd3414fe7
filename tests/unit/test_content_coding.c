/* gzip, deflate and zstd: what is taken, what is refused and why, and that cutting changes nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "../../server/codec/content_coding.h"
#include "../support/memory.h"
#include "../support/random.h"
#include "budget.h"
#include "status/status.h"

#define NO_LIMIT (UINT64_MAX - 1)
#define MIB ((size_t)1 << 20)

/* ---------------------------------------------------------------- support */

struct bytes {
	unsigned char *data;
	size_t size;
};

/* Codes with zlib itself: window bits 15 + 16 for gzip, 15 for deflate. */
static struct bytes code(struct loss_arena *arena, int window_bits, int level, const void *data,
			 size_t n)
{
	z_stream stream = {0};
	assert_int_equal(deflateInit2(&stream, level, Z_DEFLATED, window_bits, 8, 0), Z_OK);
	size_t bound = deflateBound(&stream, n);
	struct bytes coded = {loss_arena_array(arena, unsigned char, bound), 0};
	assert_non_null(coded.data);
	stream.next_in = (Bytef *)(uintptr_t)data;
	stream.avail_in = (uInt)n;
	stream.next_out = coded.data;
	stream.avail_out = (uInt)bound;
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	coded.size = stream.total_out;
	deflateEnd(&stream);
	return coded;
}

static struct bytes gzip(struct loss_arena *arena, const void *data, size_t n)
{
	return code(arena, 15 + 16, 6, data, n);
}

/* Codes with libzstd itself. */
static struct bytes zstd(struct loss_arena *arena, const void *data, size_t n)
{
	ZSTD_CCtx *context = ZSTD_createCCtx();
	assert_non_null(context);
	ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
	size_t bound = ZSTD_compressBound(n);
	struct bytes coded = {loss_arena_array(arena, unsigned char, bound), 0};
	assert_non_null(coded.data);
	coded.size = ZSTD_compress2(context, coded.data, bound, data, n);
	assert_false(ZSTD_isError(coded.size));
	ZSTD_freeCCtx(context);
	return coded;
}

static void append(void *context, const unsigned char *bytes, size_t n)
{
	assert_true(n > 0);
	assert_true(loss_buffer_append(context, bytes, n));
}

struct outcome {
	loss_status status;
	struct loss_error err;
	struct loss_buffer *decoded;
};

/* Feeds the coded body in pieces of `step` bytes, each in a block of its own, so that a sanitizer
 * sees a read after it. */
static struct outcome decode(struct loss_arena *arena, enum content_coding coding,
			     uint64_t max_bytes, struct bytes coded, size_t step)
{
	struct outcome outcome = {.decoded = loss_buffer_create(arena)};
	struct inflater *inflater = inflater_create(coding, max_bytes, arena);
	assert_non_null(inflater);
	for (size_t at = 0; at < coded.size; at += step) {
		size_t n = coded.size - at < step ? coded.size - at : step;
		unsigned char *piece = test_malloc(n);
		memcpy(piece, coded.data + at, n);
		inflater_feed(inflater, piece, n, append, outcome.decoded);
		test_free(piece);
	}
	outcome.status = inflater_finish(inflater, &outcome.err);
	return outcome;
}

static void expect_error(const struct outcome *outcome, loss_status status, const char *words)
{
	if (outcome->status != status || !strstr(outcome->err.detail, words))
		fail_msg("status %s, \"%s\"; not %s, \"%s\"", status_words(outcome->status)->code,
			 outcome->err.detail, status_words(status)->code, words);
}

/* Text that gets shorter, but not by much. */
static struct bytes digits(struct loss_arena *arena, size_t n)
{
	struct random random = random_start(7);
	struct bytes text = {loss_arena_array(arena, unsigned char, n), n};
	assert_non_null(text.data);
	for (size_t i = 0; i < n; i++)
		text.data[i] = (unsigned char)('0' + random_below(&random, 10));
	return text;
}

static struct bytes zeros(struct loss_arena *arena, size_t n)
{
	struct bytes text = {loss_arena_array(arena, unsigned char, n), n};
	assert_non_null(text.data);
	memset(text.data, '0', n);
	return text;
}

static const struct {
	enum content_coding coding;
	int window_bits;
	const char *after; /* about bytes behind the end */
} codings[] = {
	{CODING_GZIP, 15 + 16, "incorrect header check"},
	{CODING_DEFLATE, 15, "bytes after its end"},
	{CODING_ZSTD, 0, "does not begin as zstd does"},
};
#define N_CODED (sizeof codings / sizeof codings[0])

static struct bytes code_as(struct loss_arena *arena, size_t i, const void *data, size_t n)
{
	return codings[i].coding == CODING_ZSTD ? zstd(arena, data, n)
						: code(arena, codings[i].window_bits, 6, data, n);
}

/* ---------------------------------------------------------------- in */

static void test_decodes_in_pieces_of_any_size(void **state)
{
	(void)state;
	static const size_t sizes[] = {0, 1, 100, 32767, 32768, 32769, 200000};
	static const size_t steps[] = {1, 3, 4095, 4096, 4097, SIZE_MAX};
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes * N_CODED; i++) {
		struct loss_arena *arena = create_arena(NULL);
		struct bytes text = digits(arena, sizes[i / N_CODED]);
		struct bytes coded = code_as(arena, i % N_CODED, text.data, text.size);
		for (size_t j = 0; j < sizeof steps / sizeof *steps; j++) {
			size_t step = steps[j] < coded.size ? steps[j] : coded.size;
			struct outcome outcome =
				decode(arena, codings[i % N_CODED].coding, text.size, coded, step);
			assert_int_equal(outcome.status, LOSS_OK);
			assert_int_equal(outcome.decoded->size, text.size);
			if (text.size > 0)
				assert_memory_equal(outcome.decoded->data, text.data, text.size);
			loss_buffer_release(outcome.decoded);
		}
		loss_arena_destroy(arena);
	}
}

static void test_nothing_at_all_is_an_empty_body(void **state)
{
	(void)state;
	struct loss_arena *arena = create_arena(NULL);
	struct outcome outcome = decode(arena, CODING_GZIP, 0, (struct bytes){NULL, 0}, 1);
	assert_int_equal(outcome.status, LOSS_OK);
	assert_int_equal(outcome.decoded->size, 0);
	loss_arena_destroy(arena);
}

/* As `cat a.gz b.gz` makes them. */
static void test_bodies_may_follow_each_other(void **state)
{
	(void)state;
	struct loss_arena *arena = create_arena(NULL);
	for (size_t i = 0; i < N_CODED; i += 2) {
		const struct bytes parts[] = {code_as(arena, i, "one", 3), code_as(arena, i, "", 0),
					      code_as(arena, i, " and two", 8)};
		unsigned char all[256];
		size_t n = 0;
		for (size_t k = 0; k < 3; n += parts[k++].size)
			memcpy(all + n, parts[k].data, parts[k].size);
		for (size_t step = 1; step <= n; step++) {
			struct outcome outcome =
				decode(arena, codings[i].coding, 11, (struct bytes){all, n}, step);
			assert_int_equal(outcome.status, LOSS_OK);
			assert_int_equal(outcome.decoded->size, 11);
			assert_memory_equal(outcome.decoded->data, "one and two", 11);
			loss_buffer_release(outcome.decoded);
		}
	}
	loss_arena_destroy(arena);
}

static void test_bytes_behind_the_end(void **state)
{
	(void)state;
	struct loss_arena *arena = create_arena(NULL);
	for (size_t i = 0; i < N_CODED; i++) {
		unsigned char all[64];
		struct bytes coded = code_as(arena, i, "text", 4);
		memcpy(all, coded.data, coded.size);
		all[coded.size] = 0;
		all[coded.size + 1] = 0;
		for (size_t step = 1; step <= coded.size + 2; step++) {
			struct outcome outcome = decode(arena, codings[i].coding, NO_LIMIT,
							(struct bytes){all, coded.size + 2}, step);
			expect_error(&outcome, STATUS_INVALID_ENCODING, codings[i].after);
		}
	}
	loss_arena_destroy(arena);
}

static void test_cut_at_every_byte(void **state)
{
	(void)state;
	struct loss_arena *arena = create_arena(NULL);
	struct bytes text = digits(arena, 300);
	for (size_t i = 0; i < N_CODED; i++) {
		struct bytes coded = code_as(arena, i, text.data, text.size);
		for (size_t n = 1; n < coded.size; n++) {
			struct outcome outcome = decode(arena, codings[i].coding, NO_LIMIT,
							(struct bytes){coded.data, n}, n);
			expect_error(&outcome, STATUS_INVALID_ENCODING, "ends too early");
			loss_buffer_release(outcome.decoded);
		}
	}
	loss_arena_destroy(arena);
}

/* Any one byte changed is found, if only by the checksum; whole and byte by byte alike. Of gzip's
 * header, time, flags of the compressor and operating system say nothing. */
static void test_every_changed_byte_is_found(void **state)
{
	(void)state;
	struct loss_arena *arena = create_arena(NULL);
	struct bytes text = digits(arena, 100);
	for (size_t i = 0; i < N_CODED; i++) {
		struct bytes coded = code_as(arena, i, text.data, text.size);
		for (size_t at = i == 0 ? 10 : 0; at < coded.size; at++) {
			coded.data[at] ^= 0x41;
			struct outcome whole =
				decode(arena, codings[i].coding, NO_LIMIT, coded, coded.size);
			struct outcome cut = decode(arena, codings[i].coding, NO_LIMIT, coded, 1);
			assert_int_equal(whole.status, STATUS_INVALID_ENCODING);
			assert_int_equal(cut.status, STATUS_INVALID_ENCODING);
			assert_string_equal(whole.err.detail, cut.err.detail);
			coded.data[at] ^= 0x41;
			loss_buffer_release(whole.decoded);
			loss_buffer_release(cut.decoded);
		}
	}
	loss_arena_destroy(arena);
}

static void test_other_formats_are_refused(void **state)
{
	(void)state;
	struct loss_arena *arena = create_arena(NULL);
	struct bytes of_gzip = gzip(arena, "text", 4), of_zlib = code(arena, 15, 6, "text", 4);
	struct bytes raw = code(arena, -15, 6, "text", 4);
	unsigned char plain[] = {'{', '}'};
	struct outcome outcome = decode(arena, CODING_GZIP, NO_LIMIT, of_zlib, 4);
	expect_error(&outcome, STATUS_INVALID_ENCODING, "the gzip body is corrupt");
	outcome = decode(arena, CODING_DEFLATE, NO_LIMIT, of_gzip, 4);
	expect_error(&outcome, STATUS_INVALID_ENCODING, "the deflate body is corrupt");
	outcome = decode(arena, CODING_DEFLATE, NO_LIMIT, raw, 4);
	expect_error(&outcome, STATUS_INVALID_ENCODING, "the deflate body is corrupt");
	outcome = decode(arena, CODING_GZIP, NO_LIMIT, (struct bytes){plain, 2}, 2);
	expect_error(&outcome, STATUS_INVALID_ENCODING, "the gzip body is corrupt");
	/* zlib's header with the flag that asks for a dictionary, and its number. */
	unsigned char dictionary[] = {0x78, 0xbb, 1, 2, 3, 4, 0};
	outcome = decode(arena, CODING_DEFLATE, NO_LIMIT, (struct bytes){dictionary, 7}, 1);
	expect_error(&outcome, STATUS_INVALID_ENCODING, "needs a dictionary");
	loss_arena_destroy(arena);
}

static void test_decoded_bytes_count_against_the_limit(void **state)
{
	(void)state;
	struct loss_arena *arena = create_arena(NULL);
	struct bytes text = digits(arena, 100000);
	struct bytes coded = gzip(arena, text.data, text.size);
	struct outcome outcome = decode(arena, CODING_GZIP, 100000, coded, 1000);
	assert_int_equal(outcome.status, LOSS_OK);
	static const size_t steps[] = {1, 1000, 100000};
	for (size_t i = 0; i < 3; i++) {
		outcome = decode(arena, CODING_GZIP, 99999, coded, steps[i]);
		expect_error(&outcome, STATUS_BODY_TOO_LARGE, "more than 99999 bytes");
		/* What is beyond the limit is not even handed over. */
		assert_true(outcome.decoded->size <= 99999);
	}
	/* An error in what comes after the limit is not looked for. */
	coded.data[coded.size - 1] ^= 1;
	outcome = decode(arena, CODING_GZIP, 99999, coded, 1);
	expect_error(&outcome, STATUS_BODY_TOO_LARGE, "more than 99999 bytes");
	loss_arena_destroy(arena);
}

static void test_bombs(void **state)
{
	(void)state;
	struct loss_arena *arena = create_arena(NULL);
	struct bytes text = zeros(arena, 64 * MIB);
	/* The first MiB may have any ratio. */
	struct bytes coded = gzip(arena, text.data, MIB);
	assert_true(coded.size * 500 < MIB);
	struct outcome outcome = decode(arena, CODING_GZIP, NO_LIMIT, coded, coded.size);
	assert_int_equal(outcome.status, LOSS_OK);
	/* More than that not: judged at the end where the coded body is short, */
	coded = gzip(arena, text.data, MIB + 1);
	outcome = decode(arena, CODING_GZIP, NO_LIMIT, coded, 10);
	expect_error(&outcome, STATUS_BODY_TOO_LARGE, "at most 100");
	/* and on the way where it is long. */
	coded = gzip(arena, text.data, text.size);
	assert_true(coded.size > 3 * 4096);
	char detail[sizeof outcome.err.detail];
	for (size_t step = coded.size; step > 0; step = step == 1 ? 0 : 1) {
		outcome = decode(arena, CODING_GZIP, NO_LIMIT, coded, step);
		expect_error(&outcome, STATUS_BODY_TOO_LARGE, "bytes of its first 4096");
		assert_true(outcome.decoded->size < 5 * MIB);
		if (step > 1)
			memcpy(detail, outcome.err.detail, sizeof detail);
		assert_string_equal(detail, outcome.err.detail);
		loss_buffer_release(outcome.decoded);
	}
	loss_arena_destroy(arena);
}

/* A long body of a ratio below 100 is none. */
static void test_what_is_no_bomb(void **state)
{
	(void)state;
	struct loss_arena *arena = create_arena(NULL);
	struct random random = random_start(8);
	struct bytes text = zeros(arena, 4 * MIB);
	for (size_t i = 0; i < text.size; i += 80)
		text.data[i + random_below(&random, 80)] = (unsigned char)random_bits(&random);
	struct bytes coded = gzip(arena, text.data, text.size);
	assert_true(coded.size * 20 < text.size);
	assert_true(coded.size * 100 > text.size);
	struct outcome outcome = decode(arena, CODING_GZIP, NO_LIMIT, coded, 5000);
	assert_int_equal(outcome.status, LOSS_OK);
	assert_int_equal(outcome.decoded->size, text.size);
	loss_arena_destroy(arena);
}

static const unsigned char skippable[] = {0x5f, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'a', 'b', 'c'};

static void test_zstd_skips_what_is_to_be_skipped(void **state)
{
	(void)state;
	struct loss_arena *arena = create_arena(NULL);
	struct bytes coded = zstd(arena, "text", 4);
	unsigned char all[128];
	size_t n = 0;
	memcpy(all, skippable, sizeof skippable);
	n += sizeof skippable;
	memcpy(all + n, coded.data, coded.size);
	n += coded.size;
	memcpy(all + n, skippable, sizeof skippable);
	n += sizeof skippable;
	for (size_t step = 1; step <= n; step++) {
		struct outcome outcome =
			decode(arena, CODING_ZSTD, 4, (struct bytes){all, n}, step);
		assert_int_equal(outcome.status, LOSS_OK);
		assert_int_equal(outcome.decoded->size, 4);
		outcome = decode(arena, CODING_ZSTD, 4, (struct bytes){all, n - 1}, step);
		expect_error(&outcome, STATUS_INVALID_ENCODING, "ends too early");
	}
	loss_arena_destroy(arena);
}

/* Forms that libzstd may still know from before RFC 8878. */
static void test_zstd_of_old_forms_is_refused(void **state)
{
	(void)state;
	struct loss_arena *arena = create_arena(NULL);
	for (unsigned char byte = 0x1e; byte < 0x28; byte++) {
		unsigned char old[16] = {byte, 0xb5, 0x2f, 0xfd};
		for (size_t step = 1; step <= sizeof old; step++) {
			struct outcome outcome = decode(arena, CODING_ZSTD, 4,
							(struct bytes){old, sizeof old}, step);
			expect_error(&outcome, STATUS_INVALID_ENCODING,
				     "corrupt after 0 decoded bytes: it does not begin as");
		}
	}
	loss_arena_destroy(arena);
}

/* As headers have them: of so many powers of two, and eighths beside. */
static void test_zstd_windows(void **state)
{
	(void)state;
	struct loss_arena *arena = create_arena(NULL);
	static const struct {
		unsigned log, eighths;
		bool good;
	} cases[] = {{10, 0, true},  {22, 7, true},  {23, 0, true}, {23, 1, false},
		     {24, 0, false}, {27, 0, false}, {41, 7, false}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		unsigned window = (cases[i].log - 10) << 3 | cases[i].eighths;
		unsigned char empty[] = {0x28, 0xb5, 0x2f, 0xfd, 0, (unsigned char)window, 1, 0, 0};
		for (size_t step = 1; step <= sizeof empty; step++) {
			struct outcome outcome = decode(arena, CODING_ZSTD, NO_LIMIT,
							(struct bytes){empty, sizeof empty}, step);
			if (cases[i].good)
				assert_int_equal(outcome.status, LOSS_OK);
			else
				expect_error(
					&outcome, STATUS_INVALID_ENCODING,
					"needs a window of more than 8 MiB, which is the most; "
					"compress it again without --ultra and --long");
		}
	}
	loss_arena_destroy(arena);
}

/* Of frames with larger and larger windows, and smaller ones again, memory is used again. */
static void test_zstd_windows_do_not_add_up(void **state)
{
	(void)state;
	struct loss_budget budget = budget_of(64 * MIB);
	struct loss_arena *rich = create_arena(NULL), *arena = create_arena(&budget);
	struct loss_buffer *all = loss_buffer_create(rich), *out = loss_buffer_create(rich);
	for (int i = 0; i < 2 * 14 * 8; i++) {
		unsigned char empty[] = {0x28, 0xb5, 0x2f, 0xfd, 0, 0, 1, 0, 0};
		empty[5] = (unsigned char)(i % 112 > 104 ? 104 : i % 112);
		assert_true(loss_buffer_append(all, empty, sizeof empty));
	}
	struct inflater *inflater = inflater_create(CODING_ZSTD, NO_LIMIT, arena);
	assert_non_null(inflater);
	struct loss_error err = {0};
	inflater_feed(inflater, all->data, all->size, append, out);
	if (inflater_finish(inflater, &err) != LOSS_OK)
		fail_msg("%s", err.detail);
	assert_true(held(&budget) < 40 * MIB);
	loss_arena_destroy(arena);
	loss_budget_trim(&budget);
	loss_arena_destroy(rich);
}

#define FRAME "\x28\xb5\x2f\xfd"

/* Frames of our own, byte by byte: the descriptor after the magic number tells what follows. */
static void test_zstd_frames(void **state)
{
	(void)state;
	static const struct {
		const char *about, *frame;
		size_t size;
		const char *words; /* NULL: decodes to "abc" */
	} cases[] = {
#define CASE(frame) frame, sizeof(frame) - 1
		{"a stored block", CASE(FRAME "\x20\x03\x19\0\0abc"), NULL},
		{"with a window", CASE(FRAME "\0\x58\x19\0\0abc"), NULL},
		{"two frames", CASE(FRAME "\x20\x01\x09\0\0a" FRAME "\x20\x02\x11\0\0bc"), NULL},
		{"an empty one before", CASE(FRAME "\x20\0\x01\0\0" FRAME "\x20\x03\x19\0\0abc"),
		 NULL},
		{"to be skipped between",
		 CASE(FRAME "\x20\x01\x09\0\0a\x50\x2a\x4d\x18\x01\0\0\0?" FRAME
			    "\x20\x02\x11\0\0bc"),
		 NULL},
		{"dictionary 0 is none", CASE(FRAME "\x21\0\x03\x19\0\0abc"), NULL},
		{"a dictionary", CASE(FRAME "\x21\x07\x03\x19\0\0abc"),
		 "corrupt after 0 decoded bytes: it needs a dictionary"},
		{"a dictionary of four bytes", CASE(FRAME "\x23\x07\0\0\x01\x03\x19\0\0abc"),
		 "corrupt after 0 decoded bytes: it needs a dictionary"},
		{"a checksum that is wrong", CASE(FRAME "\x24\x03\x19\0\0abc\0\0\0\0"),
		 "corrupt after 3 decoded bytes: Restored data doesn't match checksum"},
		{"a checksum that is cut", CASE(FRAME "\x24\x03\x19\0\0abc\0\0\0"),
		 "ends too early, after 15 bytes that decode to 3"},
		{"the reserved bit", CASE(FRAME "\x28\x03\x19\0\0abc"), "corrupt after 0 decoded"},
		{"the reserved block", CASE(FRAME "\x20\x03\x1f\0\0abc"),
		 "corrupt after 0 decoded"},
		{"fewer bytes than said", CASE(FRAME "\x20\x04\x19\0\0abc"), "corrupt after"},
		{"a window of 16 MiB", CASE(FRAME "\0\x70\x19\0\0abc"),
		 "window of more than 8 MiB"},
		{"a content of 16 MiB", CASE(FRAME "\xa0\0\0\0\x01\x19\0\0abc"),
		 "window of more than 8 MiB"},
		{"no block", CASE(FRAME "\x20\x03"),
		 "ends too early, after 6 bytes that decode to 0"},
		{"a part of the magic", CASE("\x28\xb5"), "ends too early, after 2 bytes"},
		{"a frame to be skipped that is cut", CASE("\x50\x2a\x4d\x18\x02\0\0\0?"),
		 "ends too early"},
		{"a byte after it", CASE(FRAME "\x20\x03\x19\0\0abc{"),
		 "corrupt after 3 decoded bytes: it does not begin as zstd does, with 28 b5 2f fd"},
		{"gzip", CASE("\x1f\x8b\x08\0"), "it does not begin as zstd does"},
#undef CASE
	};
	struct loss_arena *arena = create_arena(NULL);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		for (size_t step = 1; step <= cases[i].size; step++) {
			unsigned char frame[64];
			memcpy(frame, cases[i].frame, cases[i].size);
			struct outcome outcome = decode(arena, CODING_ZSTD, NO_LIMIT,
							(struct bytes){frame, cases[i].size}, step);
			bool good = cases[i].words == NULL;
			if (!good)
				expect_error(&outcome, STATUS_INVALID_ENCODING, cases[i].words);
			else if (outcome.status != LOSS_OK || outcome.decoded->size != 3 ||
				 memcmp(outcome.decoded->data, "abc", 3) != 0)
				fail_msg("%s, by %zu: %s", cases[i].about, step,
					 outcome.err.detail);
			loss_buffer_release(outcome.decoded);
		}
	loss_arena_destroy(arena);
}

/* Blocks of four bytes that make 128 KiB each: the quickest bomb that the format has. */
static void test_zstd_bombs(void **state)
{
	(void)state;
	struct loss_arena *arena = create_arena(NULL);
	unsigned char bomb[6 + 4000 * 4] = {0x28, 0xb5, 0x2f, 0xfd, 0, (23 - 10) << 3};
	const unsigned header = 131072 << 3 | 1 << 1; /* size, a byte repeated, not the last */
	for (size_t i = 6; i < sizeof bomb; i += 4)
		memcpy(bomb + i,
		       (unsigned char[]){header & 255, header >> 8 & 255, header >> 16, '0'}, 4);
	static const size_t steps[] = {sizeof bomb, 1, 3, 127, 128, 129, 4096};
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		struct outcome outcome = decode(arena, CODING_ZSTD, NO_LIMIT,
						(struct bytes){bomb, sizeof bomb}, steps[i]);
		expect_error(&outcome, STATUS_BODY_TOO_LARGE, "bytes of its first 128; after");
		assert_true(outcome.decoded->size < 5 * MIB);
		loss_buffer_release(outcome.decoded);
		/* And the limit goes before it. */
		outcome = decode(arena, CODING_ZSTD, 3 * MIB, (struct bytes){bomb, sizeof bomb},
				 steps[i]);
		expect_error(&outcome, STATUS_BODY_TOO_LARGE, "more than 3145728 bytes");
	}
	loss_arena_destroy(arena);
}

/* What is decoded comes out although the next header is wrong, also where it takes more than one
 * piece. */
static void test_zstd_wrong_header_after_a_long_block(void **state)
{
	(void)state;
	struct loss_arena *arena = create_arena(NULL);
	unsigned char body[] = {0x28, 0xb5, 0x2f, 0xfd, 0, (23 - 10) << 3,
				/* 512 of a byte, 128 KiB of another, and no block */
				2, 0x10, 0, 'a', 2, 0, 0x10, 'b', 0xff, 0xff, 0xff};
	for (size_t step = 1; step <= sizeof body; step++) {
		struct outcome outcome = decode(arena, CODING_ZSTD, NO_LIMIT,
						(struct bytes){body, sizeof body}, step);
		expect_error(&outcome, STATUS_INVALID_ENCODING,
			     "corrupt after 131584 decoded bytes");
		assert_int_equal(outcome.decoded->size, 131584);
		loss_buffer_release(outcome.decoded);
	}
	loss_arena_destroy(arena);
}

/* A stored block of 8 bytes in a frame that is said to have 9: all but the last come out. */
static void test_zstd_wrong_size_after_a_stored_block(void **state)
{
	(void)state;
	struct loss_arena *arena = create_arena(NULL);
	unsigned char body[] = {0x28, 0xb5, 0x2f, 0xfd, 0x20, 9,   8 << 3 | 1, 0,  0,
				'a',  'b',  'c',  'd',  'e',  'f', 'g',        'h'};
	for (size_t step = 1; step <= sizeof body; step++) {
		struct outcome outcome = decode(arena, CODING_ZSTD, NO_LIMIT,
						(struct bytes){body, sizeof body}, step);
		expect_error(&outcome, STATUS_INVALID_ENCODING, "corrupt after 7 decoded bytes");
		loss_buffer_release(outcome.decoded);
	}
	loss_arena_destroy(arena);
}

/* A block that is wrong after some that are right: as many bytes have been decoded, however it was
 * cut. */
static void test_zstd_wrong_in_the_middle(void **state)
{
	(void)state;
	struct loss_arena *arena = create_arena(NULL);
	struct bytes text = digits(arena, 300000), coded = zstd(arena, text.data, text.size);
	static const size_t steps[] = {1, 2, 3, 1000, 40000, 70000};
	for (size_t at = coded.size / 2; at < coded.size; at += 7919) {
		coded.data[at] ^= 0x10;
		struct outcome whole = decode(arena, CODING_ZSTD, NO_LIMIT, coded, coded.size);
		assert_int_equal(whole.status, STATUS_INVALID_ENCODING);
		for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
			struct outcome cut = decode(arena, CODING_ZSTD, NO_LIMIT, coded, steps[i]);
			assert_string_equal(cut.err.detail, whole.err.detail);
			assert_int_equal(cut.decoded->size, whole.decoded->size);
			loss_buffer_release(cut.decoded);
		}
		loss_buffer_release(whole.decoded);
		coded.data[at] ^= 0x10;
	}
	loss_arena_destroy(arena);
}

/* The window is made when the first output asks for it. */
static void test_no_memory(void **state)
{
	(void)state;
	struct loss_arena *rich = create_arena(NULL);
	for (size_t i = 0; i < N_CODED; i++) {
		struct bytes coded = code_as(rich, i, "text", 4);
		bool created = false, decoded = false;
		for (size_t limit = BLOCK; !decoded; limit += PAGE) {
			struct loss_budget budget = budget_of(limit);
			struct loss_arena *arena = create_arena(&budget);
			struct loss_buffer *buffer = loss_buffer_create(rich);
			struct inflater *inflater =
				inflater_create(codings[i].coding, NO_LIMIT, arena);
			created |= inflater != NULL;
			if (inflater) {
				struct loss_error err;
				inflater_feed(inflater, coded.data, 1, append, buffer);
				inflater_feed(inflater, coded.data + 1, coded.size - 1, append,
					      buffer);
				loss_status status = inflater_finish(inflater, &err);
				assert_true(status == LOSS_OK ||
					    status == LOSS_TOO_LARGE_FOR_BUDGET);
				decoded = status == LOSS_OK;
			}
			assert_true(inflater || !created);
			loss_arena_destroy(arena);
			loss_budget_trim(&budget);
			assert_int_equal(held(&budget), 0);
		}
	}
	loss_arena_destroy(rich);
}

/* ---------------------------------------------------------------- out */

/* Coded in pieces of `step` bytes, each in a block of its own; NULL when there is no memory. */
static const struct loss_buffer *deflate_in_pieces(struct loss_arena *arena,
						   enum content_coding coding, struct bytes text,
						   size_t step)
{
	struct deflater *deflater = deflater_create(coding, arena);
	bool good = deflater != NULL;
	for (size_t at = 0; good && at < text.size; at += step) {
		size_t n = text.size - at < step ? text.size - at : step;
		unsigned char *piece = test_malloc(n);
		memcpy(piece, text.data + at, n);
		good = deflater_feed(deflater, piece, n);
		test_free(piece);
	}
	return good ? deflater_finish(deflater) : NULL;
}

static const enum content_coding out_codings[] = {CODING_GZIP, CODING_ZSTD};
#define N_OUT (sizeof out_codings / sizeof out_codings[0])

static size_t inflate_gzip(const struct loss_buffer *coded, unsigned char *got, size_t size)
{
	z_stream stream = {.next_in = coded->data,
			   .avail_in = (uInt)coded->size,
			   .next_out = got,
			   .avail_out = (uInt)size};
	assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
	assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
	assert_int_equal(stream.avail_in, 0);
	inflateEnd(&stream);
	return stream.total_out;
}

static size_t inflate_zstd(const struct loss_buffer *coded, unsigned char *got, size_t size)
{
	assert_int_equal(ZSTD_findFrameCompressedSize(coded->data, coded->size), coded->size);
	size_t n = ZSTD_decompress(got, size, coded->data, coded->size);
	assert_false(ZSTD_isError(n));
	return n;
}

/* zlib and libzstd themselves read it back; one body and nothing after it. */
static void expect_inflated(enum content_coding coding, const struct loss_buffer *coded,
			    struct bytes text)
{
	unsigned char *got = test_malloc(text.size + 1);
	size_t n = (coding == CODING_GZIP ? inflate_gzip : inflate_zstd)(coded, got, text.size + 1);
	assert_int_equal(n, text.size);
	if (text.size > 0)
		assert_memory_equal(got, text.data, text.size);
	test_free(got);
}

static void test_deflates_in_pieces_of_any_size(void **state)
{
	(void)state;
	static const size_t sizes[] = {0, 1, 1000, 40000, 65536, 300000};
	static const size_t steps[] = {1, 4096, 65536, SIZE_MAX};
	const size_t n_steps = sizeof steps / sizeof *steps;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		for (size_t j = 0; j < n_steps * N_OUT; j++) {
			enum content_coding coding = out_codings[j / n_steps];
			struct loss_arena *arena = create_arena(NULL);
			struct bytes text = digits(arena, sizes[i]);
			size_t step = steps[j % n_steps];
			step = step < sizes[i] ? step : sizes[i];
			const struct loss_buffer *coded =
				deflate_in_pieces(arena, coding, text, step);
			assert_non_null(coded);
			assert_true(sizes[i] < 1000 || coded->size < sizes[i] * 6 / 10);
			expect_inflated(coding, coded, text);
			loss_arena_destroy(arena);
		}
}

/* What does not get shorter gets hardly longer. */
static void test_deflates_noise(void **state)
{
	(void)state;
	struct random random = random_start(9);
	struct loss_arena *arena = create_arena(NULL);
	struct bytes text = zeros(arena, 200000);
	for (size_t i = 0; i < text.size; i++)
		text.data[i] = (unsigned char)random_bits(&random);
	for (size_t i = 0; i < N_OUT; i++) {
		const struct loss_buffer *coded =
			deflate_in_pieces(arena, out_codings[i], text, 65536);
		assert_non_null(coded);
		assert_true(coded->size < text.size + text.size / 500);
		expect_inflated(out_codings[i], coded, text);
	}
	loss_arena_destroy(arena);
}

/* Pieces of no bytes, before, between and after others, are nothing. */
static void test_deflates_empty_pieces(void **state)
{
	(void)state;
	struct loss_arena *arena = create_arena(NULL);
	struct bytes text = digits(arena, 10);
	for (size_t i = 0; i < N_OUT; i++) {
		struct deflater *deflater = deflater_create(out_codings[i], arena);
		assert_non_null(deflater);
		assert_true(deflater_feed(deflater, "", 0));
		assert_true(deflater_feed(deflater, text.data, 5));
		assert_true(deflater_feed(deflater, "", 0));
		assert_true(deflater_feed(deflater, NULL, 0));
		assert_true(deflater_feed(deflater, text.data + 5, 5));
		assert_true(deflater_feed(deflater, "", 0));
		const struct loss_buffer *coded = deflater_finish(deflater);
		assert_non_null(coded);
		expect_inflated(out_codings[i], coded, text);
	}
	loss_arena_destroy(arena);
}

/* Whether it ends in the making, on the way or at the end. */
static void test_deflates_without_memory(void **state)
{
	(void)state;
	struct loss_arena *rich = create_arena(NULL);
	struct bytes text = digits(rich, 300000);
	for (size_t i = 0; i < N_OUT; i++) {
		bool done = false;
		size_t failed = 0;
		for (size_t limit = BLOCK + PAGE; !done; limit += 8 * PAGE) {
			struct loss_budget budget = budget_of(limit);
			struct loss_arena *arena = create_arena(&budget);
			done = deflate_in_pieces(arena, out_codings[i], text, 65536) != NULL;
			failed += !done;
			if (!done)
				expect_failure(arena, LOSS_TOO_LARGE_FOR_BUDGET, "memory budget");
			loss_arena_destroy(arena);
			loss_budget_trim(&budget);
			assert_int_equal(held(&budget), 0);
		}
		assert_true(failed > 2);
	}
	loss_arena_destroy(rich);
}

/* All that libzstd wants it has taken when it is made, and that is less than a MiB. */
static void test_zstd_takes_its_memory_at_once(void **state)
{
	(void)state;
	struct loss_arena *arena = create_arena(NULL);
	struct bytes text = digits(arena, 300000);
	size_t before = loss_arena_held(arena);
	struct deflater *deflater = deflater_create(CODING_ZSTD, arena);
	size_t made = loss_arena_held(arena) - before;
	assert_non_null(deflater);
	assert_true(made > MIB / 4 && made < MIB);
	assert_true(deflater_feed(deflater, text.data, text.size));
	const struct loss_buffer *coded = deflater_finish(deflater);
	assert_non_null(coded);
	assert_true(loss_arena_held(arena) - before - made < coded->capacity + 65536);
	loss_arena_destroy(arena);
}

static void test_names_of_codings(void **state)
{
	(void)state;
	static const char *const names[N_CODINGS] = {"identity", "gzip", "deflate", "zstd"};
	for (int i = 0; i < N_CODINGS; i++)
		assert_string_equal(content_coding_name((enum content_coding)i), names[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decodes_in_pieces_of_any_size),
		cmocka_unit_test(test_nothing_at_all_is_an_empty_body),
		cmocka_unit_test(test_bodies_may_follow_each_other),
		cmocka_unit_test(test_bytes_behind_the_end),
		cmocka_unit_test(test_cut_at_every_byte),
		cmocka_unit_test(test_every_changed_byte_is_found),
		cmocka_unit_test(test_other_formats_are_refused),
		cmocka_unit_test(test_decoded_bytes_count_against_the_limit),
		cmocka_unit_test(test_bombs),
		cmocka_unit_test(test_what_is_no_bomb),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_zstd_skips_what_is_to_be_skipped),
		cmocka_unit_test(test_zstd_of_old_forms_is_refused),
		cmocka_unit_test(test_zstd_windows),
		cmocka_unit_test(test_zstd_windows_do_not_add_up),
		cmocka_unit_test(test_zstd_bombs),
		cmocka_unit_test(test_zstd_wrong_header_after_a_long_block),
		cmocka_unit_test(test_zstd_wrong_size_after_a_stored_block),
		cmocka_unit_test(test_zstd_wrong_in_the_middle),
		cmocka_unit_test(test_deflates_in_pieces_of_any_size),
		cmocka_unit_test(test_deflates_noise),
		cmocka_unit_test(test_deflates_empty_pieces),
		cmocka_unit_test(test_deflates_without_memory),
		cmocka_unit_test(test_zstd_takes_its_memory_at_once),
		cmocka_unit_test(test_names_of_codings),
		cmocka_unit_test(test_zstd_frames),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
