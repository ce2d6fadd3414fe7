/* JSON text: commas, strings, every dtype, nesting, and what happens without memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../../server/codec/json/json_out.h"
#include "budget.h"

struct fixture {
	struct loss_arena *arena;
	struct json_out out;
};

static int set_up(void **state)
{
	static struct fixture fixture;
	fixture.arena = loss_arena_create(NULL);
	struct loss_buffer *buffer = fixture.arena ? loss_buffer_create(fixture.arena) : NULL;
	if (!buffer)
		return -1;
	json_out_start(&fixture.out, buffer);
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	loss_arena_destroy(fixture->arena);
	return 0;
}

/* The text so far, terminated; the writer starts afresh. */
static const char *take(struct json_out *out)
{
	assert_false(out->failed);
	assert_true(loss_buffer_append(out->buffer, "", 1));
	out->buffer->size = 0;
	json_out_start(out, out->buffer);
	return (const char *)out->buffer->data;
}

static void test_structure(void **state)
{
	struct json_out *out = &((struct fixture *)*state)->out;
	json_out_open(out, '{');
	json_out_key(out, "a");
	json_out_open(out, '[');
	json_out_close(out, ']');
	json_out_key(out, "b");
	json_out_open(out, '{');
	json_out_close(out, '}');
	json_out_key(out, "c");
	json_out_open(out, '[');
	json_out_boolean(out, true);
	json_out_boolean(out, false);
	json_out_raw(out, "null");
	json_out_integer(out, INT64_MIN);
	json_out_size(out, SIZE_MAX);
	json_out_f64(out, 0.1);
	json_out_f64(out, (double)-INFINITY);
	json_out_raw(out, "{\"x\":1}");
	json_out_string(out, "");
	json_out_open(out, '[');
	json_out_open(out, '[');
	json_out_close(out, ']');
	json_out_close(out, ']');
	json_out_close(out, ']');
	json_out_key(out, "d");
	json_out_integer(out, 0);
	json_out_close(out, '}');
	assert_string_equal(take(out),
			    "{\"a\":[],\"b\":{},\"c\":[true,false,null,-9223372036854775808,"
			    "18446744073709551615,0.1,\"-Infinity\",{\"x\":1},\"\",[[]]],\"d\":0}");
}

static void expect_text(struct json_out *out, const char *text, const char *json)
{
	json_out_string(out, text);
	assert_string_equal(take(out), json);
}

static void test_strings(void **state)
{
	struct json_out *out = &((struct fixture *)*state)->out;
	expect_text(out, "plain /text~\x7f", "\"plain /text~\x7f\"");
	expect_text(out, "\"\\", "\"\\\"\\\\\"");
	expect_text(out, "\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\"");
	expect_text(out, "\x01 \x1f\x0b", "\"\\u0001 \\u001f\\u000b\"");
	/* The first and the last of every length pass as they are. */
	expect_text(out, "\xc2\x80 \xdf\xbf", "\"\xc2\x80 \xdf\xbf\"");
	expect_text(out, "\xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xef\xbf\xbf",
		    "\"\xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xef\xbf\xbf\"");
	expect_text(out, "\xf0\x90\x80\x80 \xf1\x80\x80\x80 \xf4\x8f\xbf\xbf",
		    "\"\xf0\x90\x80\x80 \xf1\x80\x80\x80 \xf4\x8f\xbf\xbf\"");
}

#define BAD "\xef\xbf\xbd"

static void test_invalid_utf8_is_replaced(void **state)
{
	struct json_out *out = &((struct fixture *)*state)->out;
	expect_text(out, "a\x80z", "\"a" BAD "z\"");
	expect_text(out, "\xff\xfe", "\"" BAD BAD "\"");
	expect_text(out, "\xc0\xaf", "\"" BAD BAD "\"");                 /* overlong '/' */
	expect_text(out, "\xc1\xbf", "\"" BAD BAD "\"");                 /* overlong */
	expect_text(out, "\xe0\x9f\xbf", "\"" BAD BAD BAD "\"");         /* overlong */
	expect_text(out, "\xed\xa0\x80", "\"" BAD BAD BAD "\"");         /* a surrogate */
	expect_text(out, "\xf0\x8f\xbf\xbf", "\"" BAD BAD BAD BAD "\""); /* overlong */
	expect_text(out, "\xf4\x90\x80\x80", "\"" BAD BAD BAD BAD "\""); /* over U+10FFFF */
	expect_text(out, "\xf5\x80", "\"" BAD BAD "\"");
	/* A cut sequence is one bad character, and what ends it is not swallowed. */
	expect_text(out, "\xe2\x82", "\"" BAD "\"");
	expect_text(out, "\xf0\x9f\x98", "\"" BAD "\"");
	expect_text(out, "\xe2\x82\"", "\"" BAD "\\\"\"");
	expect_text(out, "\xe2\x82\xe2\x82\xac", "\"" BAD "\xe2\x82\xac\"");
	expect_text(out, "\xc3", "\"" BAD "\"");
	expect_text(out, "\xc3\n", "\"" BAD "\\n\"");
}

/* Every pair of bytes gives text that is its own clean-up, hence valid. */
static void test_any_bytes_become_valid(void **state)
{
	struct json_out *out = &((struct fixture *)*state)->out;
	for (int first = 1; first < 256; first++) {
		for (int second = 1; second < 256; second++) {
			const char text[] = {(char)first, (char)second, '\0'};
			json_out_string(out, text);
			char once[32];
			snprintf(once, sizeof once, "%s", take(out));
			cJSON *parsed = cJSON_ParseWithOpts(once, NULL, 1);
			assert_non_null(parsed);
			expect_text(out, cJSON_GetStringValue(parsed), once);
			cJSON_Delete(parsed);
		}
	}
}

static void expect_tensor(struct json_out *out, loss_dtype dtype, int rank, const size_t *shape,
			  void *data, const char *json)
{
	struct loss_tensor tensor = {.dtype = dtype, .rank = rank, .data = data};
	memcpy(tensor.shape, shape, (size_t)rank * sizeof *shape);
	assert_true(loss_tensor_set_count(&tensor));
	json_out_tensor(out, &tensor);
	assert_string_equal(take(out), json);
}

#define SHAPE(...) ((const size_t[]){__VA_ARGS__})
#define RANK(...) (int)(sizeof SHAPE(__VA_ARGS__) / sizeof(size_t)), SHAPE(__VA_ARGS__)

static void test_dtypes(void **state)
{
	struct json_out *out = &((struct fixture *)*state)->out;
	float f32[] = {1.3447266f, -0.0f, NAN, INFINITY, -INFINITY, 1e-7f};
	expect_tensor(out, LOSS_F32, RANK(6), f32,
		      "[1.3447266,-0.0,\"NaN\",\"Infinity\",\"-Infinity\",1e-07]");
	double f64[] = {1.3447265920066833, (double)NAN, (double)INFINITY, (double)-INFINITY,
			5e-324};
	expect_tensor(out, LOSS_F64, RANK(5), f64,
		      "[1.3447265920066833,\"NaN\",\"Infinity\",\"-Infinity\",5e-324]");
	uint16_t f16[] = {0x3c00, 0x2e66, 0x8000, 0x7bff, 0x0001, 0x7e00, 0x7c00, 0xfc00};
	expect_tensor(out, LOSS_F16, RANK(8), f16,
		      "[1.0,0.1,-0.0,65500.0,6e-08,\"NaN\",\"Infinity\",\"-Infinity\"]");
	uint16_t bf16[] = {0x3dcd, 0x7f7f, 0x8001, 0xff80, 0x7fff};
	expect_tensor(out, LOSS_BF16, RANK(5), bf16, "[0.1,3.39e+38,-9e-41,\"-Infinity\",\"NaN\"]");
	uint8_t e4m3[] = {0x1d, 0x7e, 0x81, 0x7f, 0xff};
	expect_tensor(out, LOSS_F8_E4M3, RANK(5), e4m3, "[0.1,450.0,-0.002,\"NaN\",\"NaN\"]");
	uint8_t e5m2[] = {0x2e, 0x7b, 0x01, 0x7c, 0xfd};
	expect_tensor(out, LOSS_F8_E5M2, RANK(5), e5m2,
		      "[0.09,60000.0,2e-05,\"Infinity\",\"NaN\"]");
	int64_t i64[] = {INT64_MIN, INT64_MAX, 0};
	expect_tensor(out, LOSS_I64, RANK(3), i64, "[-9223372036854775808,9223372036854775807,0]");
	int32_t i32[] = {INT32_MIN, INT32_MAX};
	expect_tensor(out, LOSS_I32, RANK(2), i32, "[-2147483648,2147483647]");
	int16_t i16[] = {INT16_MIN, INT16_MAX};
	expect_tensor(out, LOSS_I16, RANK(2), i16, "[-32768,32767]");
	int8_t i8[] = {INT8_MIN, INT8_MAX};
	expect_tensor(out, LOSS_I8, RANK(2), i8, "[-128,127]");
	uint64_t u64[] = {UINT64_MAX, 0};
	expect_tensor(out, LOSS_U64, RANK(2), u64, "[18446744073709551615,0]");
	uint32_t u32[] = {UINT32_MAX};
	expect_tensor(out, LOSS_U32, RANK(1), u32, "[4294967295]");
	uint16_t u16[] = {UINT16_MAX};
	expect_tensor(out, LOSS_U16, RANK(1), u16, "[65535]");
	uint8_t u8[] = {UINT8_MAX, 7};
	expect_tensor(out, LOSS_U8, RANK(2), u8, "[255,7]");
	uint8_t booleans[] = {1, 0};
	expect_tensor(out, LOSS_BOOL, RANK(2), booleans, "[true,false]");
}

static void test_shapes(void **state)
{
	struct json_out *out = &((struct fixture *)*state)->out;
	int32_t data[] = {0, 1, 2, 3, 4, 5, 6, 7};
	struct loss_tensor scalar = {.dtype = LOSS_I32, .rank = 0, .count = 1, .data = data + 3};
	json_out_tensor(out, &scalar);
	assert_string_equal(take(out), "3");
	expect_tensor(out, LOSS_I32, RANK(1, 1, 1, 1, 1, 1, 1, 1), data, "[[[[[[[[0]]]]]]]]");
	expect_tensor(out, LOSS_I32, RANK(2, 3), data, "[[0,1,2],[3,4,5]]");
	expect_tensor(out, LOSS_I32, RANK(2, 2, 2), data, "[[[0,1],[2,3]],[[4,5],[6,7]]]");
	expect_tensor(out, LOSS_I32, RANK(3, 1), data, "[[0],[1],[2]]");
	expect_tensor(out, LOSS_F32, RANK(0), NULL, "[]");
	expect_tensor(out, LOSS_F32, RANK(2, 0), NULL, "[[],[]]");
	expect_tensor(out, LOSS_F32, RANK(0, 2), NULL, "[]");
	expect_tensor(out, LOSS_F32, RANK(2, 0, 3), NULL, "[[],[]]");
	expect_tensor(out, LOSS_F32, RANK(1, 2, 0), NULL, "[[[],[]]]");
}

static void test_tensors_stand_among_values(void **state)
{
	struct json_out *out = &((struct fixture *)*state)->out;
	int32_t data[] = {1, 2};
	struct loss_tensor scalar = {.dtype = LOSS_I32, .rank = 0, .count = 1, .data = data};
	struct loss_tensor vector = {
		.dtype = LOSS_I32, .rank = 1, .shape = {2}, .count = 2, .data = data};
	json_out_open(out, '{');
	json_out_key(out, "a");
	json_out_tensor(out, &scalar);
	json_out_key(out, "b");
	json_out_tensor(out, &vector);
	json_out_key(out, "c");
	json_out_tensor(out, &vector);
	json_out_close(out, '}');
	assert_string_equal(take(out), "{\"a\":1,\"b\":[1,2],\"c\":[1,2]}");
}

/* Rows longer than what room is made for at once, of the widest numbers. */
static void test_long_rows(void **state)
{
	struct json_out *out = &((struct fixture *)*state)->out;
	static const size_t widths[] = {255, 256, 257, 512, 1000};
	for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
		double data[2000];
		for (size_t i = 0; i < 2 * widths[w]; i++)
			data[i] = -2.2250738585072014e-308;
		struct loss_tensor tensor = {
			.dtype = LOSS_F64, .rank = 2, .shape = {2, widths[w]}, .data = data};
		assert_true(loss_tensor_set_count(&tensor));
		json_out_tensor(out, &tensor);
		cJSON *rows = cJSON_ParseWithOpts(take(out), NULL, 1);
		assert_non_null(rows);
		assert_int_equal(cJSON_GetArraySize(rows), 2);
		const cJSON *row, *value;
		cJSON_ArrayForEach(row, rows)
		{
			assert_int_equal(cJSON_GetArraySize(row), widths[w]);
			cJSON_ArrayForEach(value, row) assert_true(value->valuedouble == data[0]);
		}
		cJSON_Delete(rows);
	}
}

/* The same text, however the elements are cut. */
static void expect_pieces(struct json_out *out, const struct loss_tensor *tensor)
{
	static const size_t pieces[] = {1, 2, 3, 7};
	char whole[4096];
	json_out_raw(out, "0");
	json_out_tensor(out, tensor);
	snprintf(whole, sizeof whole, "%s", take(out));
	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
		struct json_tensor_out walk;
		size_t calls = 1;
		json_out_raw(out, "0");
		json_tensor_out_start(&walk, tensor);
		while (!json_out_tensor_piece(out, &walk, pieces[i]))
			calls++;
		/* Something is written every time, and no more than was asked for. */
		assert_true(calls >= (tensor->count + pieces[i] - 1) / pieces[i]);
		assert_true(calls <= strlen(whole));
		assert_string_equal(take(out), whole);
	}
}

/* Every tensor of a rank up to four whose dimensions are of 0 to 3. */
static void test_pieces_of_all_shapes(void **state)
{
	struct json_out *out = &((struct fixture *)*state)->out;
	static const size_t counts[] = {1, 4, 16, 64, 256};
	int32_t data[81];
	for (int i = 0; i < 81; i++)
		data[i] = 7 * i - 100;
	for (int rank = 0; rank <= 4; rank++)
		for (size_t k = 0; k < counts[rank]; k++) {
			struct loss_tensor tensor = {.dtype = LOSS_I32, .rank = rank, .data = data};
			for (int axis = 0; axis < rank; axis++)
				tensor.shape[axis] = k >> 2 * axis & 3;
			assert_true(loss_tensor_set_count(&tensor));
			expect_pieces(out, &tensor);
		}
}

/* Runs of floats are written by another way than others, and room is made for 256 at once. */
static void test_pieces_of_all_dtypes(void **state)
{
	struct json_out *out = &((struct fixture *)*state)->out;
	static unsigned char data[8 * 15];
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (unsigned char)(37 * i + 11);
	for (int dtype = 0; dtype < LOSS_N_DTYPES; dtype++) {
		struct loss_tensor tensor = {.dtype = (loss_dtype)dtype,
					     .rank = 2,
					     .shape = {3, 5},
					     .count = 15,
					     .data = data};
		expect_pieces(out, &tensor);
	}
	static float numbers[2 * 300];
	for (size_t i = 0; i < 600; i++)
		numbers[i] = i % 17 ? 1.0f / (float)(i + 1) : (float)NAN;
	struct loss_tensor tensor = {LOSS_F32, 2, {2, 300}, 600, numbers};
	static const size_t pieces[] = {255, 256, 257, 300, 301, 599};
	json_out_tensor(out, &tensor);
	const char *whole = loss_arena_printf(((struct fixture *)*state)->arena, "%s", take(out));
	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
		struct json_tensor_out walk;
		json_tensor_out_start(&walk, &tensor);
		while (!json_out_tensor_piece(out, &walk, pieces[i])) {
		}
		assert_string_equal(take(out), whole);
	}
}

/* A row without elements is a piece of work, too: many of them do not come in one call. */
static void test_pieces_of_empty_rows(void **state)
{
	struct json_out *out = &((struct fixture *)*state)->out;
	struct loss_tensor tensor = {.dtype = LOSS_F32, .rank = 2, .shape = {1000, 0}};
	struct json_tensor_out walk;
	size_t calls = 1;
	json_tensor_out_start(&walk, &tensor);
	while (!json_out_tensor_piece(out, &walk, 10))
		calls++;
	assert_int_equal(calls, 100);
	json_out_tensor(out, &tensor);
	assert_int_equal(strlen(take(out)), 2 * (2 + 1000 * 2 + 999) + 1);
}

static void test_without_memory_it_stays_failed(void **state)
{
	(void)state;
	struct loss_budget budget = {.limit = 256 * 1024};
	struct loss_arena *arena = loss_arena_create(&budget);
	assert_non_null(arena);
	struct loss_buffer *buffer = loss_buffer_create(arena);
	assert_non_null(buffer);
	struct json_out out;
	json_out_start(&out, buffer);
	json_out_string(&out, "first");
	/* The second has more nests than the budget has bytes. */
	struct loss_tensor tensor = {.dtype = LOSS_F32, .rank = 2, .shape = {1u << 30, 0}};
	assert_false(out.failed);
	json_out_tensor(&out, &tensor);
	assert_true(out.failed);
	size_t size = buffer->size;
	json_out_string(&out, "more");
	json_out_integer(&out, 1);
	json_out_open(&out, '[');
	json_out_close(&out, ']');
	json_out_key(&out, "key");
	assert_true(out.failed);
	assert_true(buffer->size == size);
	struct loss_error err;
	assert_int_equal(loss_arena_failure(arena, &err), LOSS_TOO_LARGE_FOR_BUDGET);
	loss_arena_destroy(arena);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_structure),
		TEST(test_strings),
		TEST(test_invalid_utf8_is_replaced),
		TEST(test_any_bytes_become_valid),
		TEST(test_dtypes),
		TEST(test_shapes),
		TEST(test_tensors_stand_among_values),
		TEST(test_long_rows),
		TEST(test_pieces_of_all_shapes),
		TEST(test_pieces_of_all_dtypes),
		TEST(test_pieces_of_empty_rows),
		cmocka_unit_test(test_without_memory_it_stays_failed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
