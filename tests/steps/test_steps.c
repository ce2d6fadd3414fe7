/*
 * What a stranger sends is read in time that is proportional to its bytes, whatever they are. That
 * is counted, not timed (counter.h): a text may take so many steps a byte and no more, as many of
 * several times its size, and however much is wrong with it, the same few sentences are made.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "documents.h"
#include "loss.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Bytes of a text, and how many times as many another one has. */
#define SMALL ((size_t)8 * 1024)
#define GROWTH 8

/* Steps a byte: of texts that come in one piece, and byte by byte. All take less than two thirds of
 * that; one sentence for each fault, or a search for each name, is more. */
#define MOST_WHOLE 100.0
#define MOST_CUT 220.0
/* A sentence for each error that is kept, in up to three parts, with a list of names: there are
 * some forty. Far fewer than there are faults in the documents. */
#define MOST_SENTENCES ((uint64_t)LOSS_MAX_ERRORS * 64)

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A256 A64 A64 A64 A64
#define DEEP "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"

/* Steps a byte. */
static double measure(const struct document *document, size_t wanted, size_t piece)
{
	size_t n;
	char *text = document_make(document, wanted, &n);
	struct counts counts = document->read(text, n, piece ? piece : n);
	free(text);
	if (counts.sentences > MOST_SENTENCES)
		fail_msg("%s%s%s of %zu bytes: %" PRIu64 " sentences", document->begin,
			 document->unit, document->end, n, counts.sentences);
	return (double)counts.steps / (double)n;
}

/* Fails unless the cost of a document is bounded. piece: 0 for all at once. */
static void check(const struct document *document, size_t piece)
{
	double small = measure(document, SMALL, piece);
	double large = measure(document, SMALL * GROWTH, piece);
	double most = piece ? MOST_CUT : MOST_WHOLE;
	if (small > most || large > most || large > 1.25 * small + 1.0)
		fail_msg("%s%s%s in pieces of %zu bytes: %.1f steps a byte, %.1f of %d times the "
			 "size",
			 document->begin, document->unit, document->end, piece, small, large,
			 GROWTH);
}

static void check_whole(const struct document *documents, size_t n)
{
	for (size_t i = 0; i < n; i++)
		check(&documents[i], 0);
}

static void check_cut(const struct document *documents, size_t n)
{
	check_whole(documents, n);
	for (size_t i = 0; i < n; i++)
		check(&documents[i], 1);
}

static void json_bodies(void **state)
{
	(void)state;
	static const struct document documents[] = {
		{read_json, "{", "\"u#\":1,", "\"logits\":[[1,2]],\"targets\":[0]}"},
		{read_json, "{", "\"u#\":1,", "\"z\":1}"},
		{read_json, "{", "\"\":1,", "\"z\":1}"},
		{read_json, "{", "\"logit\":1,", "\"z\":1}"},
		{read_json, "{", "\"reduction\":1,", "\"z\":1}"},
		{read_json, "{", "\"logits\":[1],", "\"z\":1}"},
		{read_json, "{", "\"" A256 A256 "#\":1,", "\"z\":1}"},
		{read_json, "{\"", "a", "\":1}"},
		{read_json, "{\"", "\\u0041", "\":1}"},
		{read_json, "{\"", "\xc3\xa9", "\":1}"},
		{read_json, "{", "\"u#\":" DEEP ",", "\"z\":1}"},
		{read_json, "{\"logits\":[", DEEP ",", "[]]}"},
		{read_json, "{\"logits\":", "[", ""},
		{read_json, "{\"logits\":[", "{},", "{}]}"},
		{read_json, "{\"logits\":[", "[],", "[]]}"},
		{read_json, "{\"logits\":[", "[1,2],", "[1,2]],\"targets\":[0]}"},
		{read_json, "{\"logits\":[[", "1,", "1]],\"targets\":[0]}"},
		{read_json, "{\"logits\":[[", "1.5e300,", "1]],\"targets\":[0]}"},
		{read_json, "{\"logits\":[[", "0.1,", "1]],\"targets\":[0]}"},
		{read_json, "{\"logits\":[[", "NaN,", "1]],\"targets\":[0]}"},
		{read_json, "{\"logits\":[[", "\"NaN\",", "1]],\"targets\":[0]}"},
		{read_json, "{\"logits\":[", "true,", "1]}"},
		{read_json, "{\"logits\":[", "\"x\",", "1]}"},
		{read_json, "{\"logits\":[", "null,", "1]}"},
		{read_json, "{\"logits\":[", "[1],[1,2],", "1]}"},
		{read_json, "{\"logits\":[[1,2]],\"targets\":[", "0.5,", "1]}"},
		{read_json, "{\"logits\":[[1,2]],\"targets\":[", "99999999999999999999,", "1]}"},
		{read_json, "{\"logits\":[", "1", "]}"},
		{read_json, "{\"logits\":[0.", "1", "]}"},
		{read_json, "{\"logits\":{\"dtype\":\"U8\",\"data\":[", "-1,", "1]}}"},
		{read_json, "{\"logits\":{\"data\":[", "1.5,",
		 "1],\"dtype\":\"U8\",\"shape\":[1]}}"},
		{read_json, "{\"logits\":{\"shape\":[", "-1,", "1]}}"},
		{read_json, "{\"logits\":{\"shape\":[", "7,", "1]}}"},
		{read_json, "{\"logits\":{", "\"x\":1,", "\"x\":1}}"},
		{read_json, "{\"logits\":{", "\"dtype\":7,", "\"x\":1}}"},
		{read_json, "{\"logits\":{\"base64\":\"", "AAAA", "\"}}"},
		{read_json, "{\"logits\":{\"base64\":\"", "A\\/A\\/", "\"}}"},
		{read_json, "{\"logits\":{\"base64\":\"", "\\u0041\\u0041\\u0041\\u0041", "\"}}"},
		{read_json, "{\"logits\":{\"base64\":\"", " ", "\"}}"},
		{read_json, "{\"logits\":{\"base64\":\"", "=", "\"}}"},
		{read_json, "{\"logits\":{\"dtype\":7,\"base64\":\"", "AAAA", "\"}}"},
		{read_json, "{\"logits\":{\"dtype\":\"F32\",\"shape\":[1],\"base64\":\"", "AAAA",
		 "\"}}"},
		{read_json, "{\"outputs\":[", "1,", "1]}"},
		{read_json, "{\"outputs\":[", "\"loss\",", "\"x\"]}"},
		{read_json, "", " ", "{}"},
		{read_json, "", "\n", "{}"},
		{read_json, "[", "1,", "1]"},
	};
	check_cut(documents, COUNT(documents));
}

static void oip_documents(void **state)
{
	(void)state;
	static const struct document documents[] = {
		{read_oip, "{", "\"u#\":1,", "\"z\":1}"},
		{read_oip, "{", "\"id\":\"x\",", "\"z\":1}"},
		{read_oip, "{\"inputs\":[", "{},", "{}]}"},
		{read_oip, "{\"inputs\":[", "[],", "{}]}"},
		{read_oip, "{\"inputs\":[", "{\"name\":\"u#\"},", "{}]}"},
		{read_oip, "{\"inputs\":[", "{\"name\":\"reduction\"},", "{}]}"},
		{read_oip, "{\"inputs\":[",
		 "{\"name\":\"logits\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":[1]},", "{}]}"},
		{read_oip, "{\"inputs\":[",
		 "{\"name\":\"logits\",\"shape\":[-1],\"datatype\":\"X\",\"data\":[{}]},", "{}]}"},
		{read_oip, "{\"inputs\":[{", "\"u#\":1,", "\"z\":1}]}"},
		{read_oip, "{\"inputs\":[{\"parameters\":{", "\"u#\":1,", "\"z\":1}}]}"},
		{read_oip, "{\"inputs\":[{\"parameters\":{", "\"binary_data_size\":-1,",
		 "\"z\":1}}]}"},
		{read_oip, "{\"inputs\":[{\"shape\":[", "7,", "\"z\"]}]}"},
		{read_oip, "{\"inputs\":[{\"name\":\"logits\",\"datatype\":\"UINT8\",\"data\":[",
		 "-1,", "\"z\"]}]}"},
		{read_oip, "{\"parameters\":{", "\"u#\":1,", "\"z\":1}}"},
		{read_oip, "{\"parameters\":{", "\"logits\":1,", "\"z\":1}}"},
		{read_oip, "{\"parameters\":{", "\"triton_#\":1,", "\"z\":1}}"},
		{read_oip, "{\"parameters\":{", "\"reduction\":1,", "\"z\":1}}"},
		{read_oip, "{\"parameters\":{", "\"timeout\":-1,", "\"z\":1}}"},
		{read_oip, "{\"outputs\":[", "{},", "{}]}"},
		{read_oip, "{\"outputs\":[", "1,", "{}]}"},
		{read_oip, "{\"outputs\":[", "{\"name\":\"loss\"},", "{}]}"},
		{read_oip, "{\"outputs\":[", "{\"name\":\"u#\"},", "{}]}"},
		{read_oip, "{\"outputs\":[", "{\"name\":\"u#\",\"parameters\":{\"u#\":1}},",
		 "{}]}"},
		{read_oip, "{\"outputs\":[{", "\"u#\":1,", "\"z\":1}]}"},
	};
	check_cut(documents, COUNT(documents));
}

static void safetensors_headers(void **state)
{
	(void)state;
#define TENSOR(name) "\"" name "\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}"
	static const struct document documents[] = {
		{read_safetensors, "{", TENSOR("u#") ",", TENSOR("z") "}"},
		{read_safetensors, "{", TENSOR("u") ",", TENSOR("z") "}"},
		{read_safetensors, "{", TENSOR(A64 "#") ",", TENSOR("z") "}"},
		{read_safetensors, "{", TENSOR("logits") ",", TENSOR("z") "}"},
		{read_safetensors, "{", TENSOR("reduction") ",", TENSOR("z") "}"},
		{read_safetensors, "{", "\"u#\":{},", TENSOR("z") "}"},
		{read_safetensors, "{", "\"u#\":1,", TENSOR("z") "}"},
		{read_safetensors, "{", "\"u#\":{\"dtype\":1,\"shape\":[-1],\"x\":{}},",
		 TENSOR("z") "}"},
		{read_safetensors, "{\"__metadata__\":{", "\"u#\":\"x\",", "\"x\":\"\"}}"},
		{read_safetensors, "{\"__metadata__\":{", "\"u#\":1,", "\"x\":\"\"}}"},
		{read_safetensors, "{", "\"__metadata__\":{},", "\"__metadata__\":{}}"},
		{read_safetensors, "{\"logits\":{\"shape\":[", "1,", "1]}}"},
		{read_safetensors, "{\"logits\":{\"shape\":[", "-1,", "1]}}"},
		{read_safetensors, "{\"logits\":{\"data_offsets\":[", "1,", "1]}}"},
	};
	check_cut(documents, COUNT(documents));
}

static void query_strings(void **state)
{
	(void)state;
	static const struct document documents[] = {
		{read_query, "", "u#=1&", "z=1"},
		{read_query, "", "u&", "z=1"},
		{read_query, "", "logits=1&", "z=1"},
		{read_query, "", "&", "z=1"},
		{read_query, "", "=1&", "z=1"},
		{read_query, "", "reduction=x&", "z=1"},
		{read_query, "", "ignore_index=1&", "z=1"},
		{read_query, "", "ignore_index=x&", "z=1"},
		{read_query, "", "outputs=loss&", "z=1"},
		{read_query, "", "outputs=&", "z=1"},
		{read_query, "outputs=", "x,", "x"},
		{read_query, "outputs=", ",", "x"},
		{read_query, "outputs=", "%2c", "x"},
		{read_query, "reduction=", "a", ""},
		{read_query, "reduction=", "%41", ""},
		{read_query, "reduction=", "%zz", ""},
		{read_query, "", "%zz&", ""},
		{read_query, "", "%61", ""},
		{read_query, "", "a", ""},
		{read_query, "label_smoothing=0.", "1", ""},
	};
	check_whole(documents, COUNT(documents));
}

static void control_documents(void **state)
{
	(void)state;
	static const struct document documents[] = {
		{read_control, "{", "\"u#\":1,", "\"z\":1}"},
		{read_control, "{", "\"key\":1,", "\"z\":1}"},
		{read_control, "{", "\"key\":\"" A64 A64 "\",", "\"z\":1}"},
		{read_control, "{", "\"offset\":-1,", "\"z\":1}"},
		{read_control, "{\"parameters\":{", "\"u#\":[1],", "\"z\":1}}"},
	};
	check_whole(documents, COUNT(documents));
}

static void heads(void **state)
{
	(void)state;
#define PARENT "traceparent:00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n"
	static const struct document documents[] = {
		{read_head, "Host:a\n", "a:\n", ""},
		{read_head, "Host:a\n", "x-u#:1\n", ""},
		{read_head, "Host:a\n", "Host:a\n", ""},
		{read_head, "Host:a\n", "Accept:\n", ""},
		{read_head, "Host:a\n", "Accept:a/b\n", ""},
		{read_head, "Host:a\n", "Accept:*/*;q=0.1\n", ""},
		{read_head, "Host:a\n", "accept-encoding:x\n", ""},
		{read_head, "Host:a\n", "Content-Encoding:identity\n", ""},
		{read_head, "Host:a\n", "Content-Encoding:x\n", ""},
		{read_head, "Host:a\n" PARENT, "tracestate:a=1\n", ""},
		{read_head, "Host:a\n", "X-Request-Id:a\n", ""},
		{read_head, "Host:a\n", "Origin:a\n", ""},
		{read_head, "Host:a\n", "Content-Type:a\n", ""},
		{read_head, "Host:a\nAccept:", "a/#,", "*/*\n"},
		{read_head, "Host:a\nAccept:", ",", "\n"},
		{read_head, "Host:a\nAccept:*/*", ";", "\n"},
		{read_head, "Host:a\nAccept:*/*", ";a=b", "\n"},
		{read_head, "Host:a\nAccept:*/*;a=\"", "\\\"", "\"\n"},
		{read_head, "Host:a\nAccept:", "*/*;q=0.5,", "*/*\n"},
		{read_head, "Host:a\nAccept-Encoding:", "gzip;q=0.5,", "br\n"},
		{read_head, "Host:a\nContent-Encoding:", "identity,", "gzip\n"},
		{read_head, "Host:a\nContent-Encoding:", ",", "gzip\n"},
		{read_head, "Host:a\nContent-Type:application/json", ";a=b", "\n"},
		{read_head, "Host:a\nContent-Type:application/json;", "a", "\n"},
		{read_head, "Host:a\nContent-Length:", "1", "\n"},
		{read_head, "Host:a\nX-Request-Timeout-Ms:", "1", "\n"},
		{read_head, "Host:a\nX-Request-Id:", "a", "\n"},
		{read_head, "Host:", "a", "\n"},
		{read_head, "Host:a\n", "a", ":\n"},
	};
	check_whole(documents, COUNT(documents));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_bodies),         cmocka_unit_test(oip_documents),
		cmocka_unit_test(safetensors_headers), cmocka_unit_test(query_strings),
		cmocka_unit_test(control_documents),   cmocka_unit_test(heads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
