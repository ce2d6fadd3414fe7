/* What files begin with, and what is said about them where something else is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/codec/signature.h"
#include "status/status.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BYTES(literal) (literal), sizeof(literal) - 1
#define ZIP "PK\3\4-\0\0\0\0\0\0\0!\0\0\0\0\0\0\0\0\0\0\0\0\0"

static const struct {
	const char *what; /* NULL: nothing is known that begins so */
	const char *bytes;
	size_t n;
} cases[] = {
	{"safetensors", BYTES("\x10\0\0\0\0\0\0\0{\"logits\"")},
	{"safetensors", BYTES("{\0\0\0\0\0\0\0{")},
	{NULL, BYTES("\x10\0\0\0\0\0\1\0{\"logits\"")},
	{NULL, BYTES("\x10\0\0\0\0\0\0\0")},
	{"a NumPy array (.npy)", BYTES("\x93NUMPY\1\0")},
	{NULL, BYTES("\x93NUMP")},
	{"NumPy arrays (.npz)", BYTES(ZIP "\x0a\0\0\0logits.npy")},
	{"a PyTorch file (.pt)", BYTES(ZIP "\x10\0\0\0archive/data.pkl")},
	{"a zip archive", BYTES(ZIP "\x0a\0\0\0logits.txt")},
	{"a zip archive", BYTES(ZIP "\x05\0\0\0logits.npy")}, /* "logit" */
	{"a zip archive", BYTES("PK\3\4")},
	{"an empty zip archive", BYTES("PK\5\6\0\0")},
	{"a Python pickle (such as an old .pt)", BYTES("\x80\2\x8a\x0al\xfc")},
	{"a Python pickle (such as an old .pt)", BYTES("\x80\5\x95")},
	{NULL, BYTES("\x80\6\x95")},
	{NULL, BYTES("\x80\1\x95")},
	{"gzip", BYTES("\x1f\x8b")},
	{"zstd", BYTES("\x28\xb5\x2f\xfd\4")},
	{"xz", BYTES("\xfd"
		     "7zXZ\0\0")},
	{"bzip2", BYTES("BZh91AY")},
	{"Parquet", BYTES("PAR1\x15\4")},
	{"Arrow (Feather)", BYTES("ARROW1\0\0")},
	{"an Arrow stream", BYTES("\xff\xff\xff\xff\x10\0\0\0")},
	{NULL, BYTES("\xff\xff\xff\xff\xff\xff\xff\xff")},
	{"HDF5", BYTES("\x89HDF\r\n\x1a\n\0")},
	{"a GGUF model", BYTES("GGUF\3\0\0\0")},
	{"JSON", BYTES("{")},
	{"JSON", BYTES(" \t\r\n[1, 2]")},
	{"HTML", BYTES("<!DOCTYPE html><html>")},
	{"HTML", BYTES("\n<HTML lang=en>")},
	{"XML", BYTES("<?xml version=\"1.0\"?>")},
	{"comma- or tab-separated values", BYTES("logits,targets\n0.5,1\n")},
	{"comma- or tab-separated values", BYTES("0.5\t-1\n")},
	{"comma- or tab-separated values", BYTES("0,5;1,5\n")},
	{NULL, BYTES("plain words\nand more, later\n")},
	{NULL, BYTES("a,\x01")},
	{NULL, BYTES("1.5")},
	{NULL, BYTES("")},
	{NULL, BYTES(" ")},
};

static void test_every_kind_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		for (size_t step = 1; step <= cases[i].n + 1; step++) {
			struct beginning beginning = {.n = 0};
			const unsigned char *bytes = (const unsigned char *)cases[i].bytes;
			for (size_t at = 0, n; at < cases[i].n; at += n) {
				n = cases[i].n - at < step ? cases[i].n - at : step;
				beginning_feed(&beginning, bytes + at, n);
			}
			const struct signature *found = signature_find(&beginning);
			const char *got = found ? found->what : "nothing";
			if (strcmp(got, cases[i].what ? cases[i].what : "nothing") != 0)
				fail_msg("%s of case %zu, not %s", got, i, cases[i].what);
		}
}

static void test_only_the_beginning_is_kept(void **state)
{
	(void)state;
	struct beginning beginning = {.n = 0};
	unsigned char bytes[SIGNATURE_BYTES + 9];
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (unsigned char)i;
	beginning_feed(&beginning, bytes, SIGNATURE_BYTES - 1);
	beginning_feed(&beginning, NULL, 0);
	beginning_feed(&beginning, bytes + SIGNATURE_BYTES - 1, 10);
	beginning_feed(&beginning, bytes, 5);
	assert_int_equal(beginning.n, SIGNATURE_BYTES);
	assert_memory_equal(beginning.bytes, bytes, SIGNATURE_BYTES);
}

/* To a server and to `lossd eval` something else is said, and nothing where it is the format that
 * was to be read. */
static void test_sentences(void **state)
{
	(void)state;
	static const struct {
		const char *bytes, *format;
		bool is_file;
		const char *wanted;
	} told[] = {
		{"\x1f\x8b", "json", false,
		 "bad; this looks like gzip: say Content-Encoding: gzip"},
		{"\x1f\x8b", "json", true,
		 "bad; this looks like gzip: it is compressed twice; decompress it once"},
		{"{", "safetensors", false,
		 "bad; this looks like JSON: its Content-Type is application/json"},
		{"{", "json", false, "bad"},
		{"words", "json", false, "bad"},
	};
	for (size_t i = 0; i < COUNT(told); i++) {
		struct beginning beginning = {.n = 0};
		struct loss_error err;
		beginning_feed(&beginning, (const unsigned char *)told[i].bytes,
			       strlen(told[i].bytes));
		loss_fail(&err, STATUS_INVALID_JSON, "", "bad");
		signature_tell(&beginning, told[i].format, told[i].is_file, &err);
		assert_string_equal(err.detail, told[i].wanted);
	}
}

/* The whole sentence fits, after any that a decoder writes of a first byte. */
static void test_sentences_are_not_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		for (int is_file = 0; is_file < 2; is_file++) {
			struct beginning beginning = {.n = 0};
			struct loss_error err;
			beginning_feed(&beginning, (const unsigned char *)cases[i].bytes,
				       cases[i].n);
			loss_fail(&err, STATUS_INVALID_JSON, "", "%200s", "");
			signature_tell(&beginning, "nothing", is_file, &err);
			assert_true(strlen(err.detail) < sizeof err.detail - 1);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind_is_told),
		cmocka_unit_test(test_only_the_beginning_is_kept),
		cmocka_unit_test(test_sentences),
		cmocka_unit_test(test_sentences_are_not_cut),
	};
	return cmocka_run_group_tests_name("signature", tests, NULL, NULL);
}
