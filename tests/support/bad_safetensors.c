#include "safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "status/status.h"

/* A tensor of the header, as text. */
#define T(name, dtype, shape, offsets)                                                             \
	"\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":[" shape "],\"data_offsets\":[" offsets   \
	"]}"
#define TARGETS T("targets", "I64", "2", "0,16")
#define LOGITS T("logits", "F32", "2,3", "16,40")
#define H(tensors) "{" tensors "}"
/* A header with another logits' entry, in front of which the targets take 16 bytes. */
#define L(entry) H(TARGETS ",\"logits\":" entry)

#define FORMAT STATUS_INVALID_SAFETENSORS
#define CUT STATUS_TRUNCATED_BODY

const struct bad_safetensors bad_safetensors[] = {
	/* the header's length */
	{NULL, 0, 0, STATUS_EMPTY_BODY, NULL, "the body is empty"},
	{NULL, 0, 5, CUT, NULL, "the body has 5 bytes, but begins with 8 of header length"},
	{NULL, 0, 8, FORMAT, NULL,
	 "the header's length, the first 8 bytes of the body, is 0, but a header is at least {}"},
	{NULL, 0, 99, FORMAT, NULL,
	 "the header's length, the first 8 bytes of the body, is 0, but a header is at least {}"},
	{H(TARGETS "," LOGITS), 65537, 40, FORMAT, NULL,
	 "the header's length, the first 8 bytes of the body, is 65537, but the server's limit "
	 "(max_header_bytes) is 65536"},
	{H(TARGETS "," LOGITS), UINT64_C(1) << 63, 40, FORMAT, NULL,
	 "the header's length, the first 8 bytes of the body, is 9223372036854775808 as it must "
	 "be read, little-endian, and 128 the other way round: write it, and the tensors, "
	 "little-endian"},
	{H(TARGETS "," LOGITS), (UINT64_C(1) << 63) + 1, 40, FORMAT, NULL,
	 "the header's length, the first 8 bytes of the body, is 9223372036854775809, but the "
	 "server's limit (max_header_bytes) is 65536"},
	/* The other way round, the limit, and one more. */
	{H(TARGETS "," LOGITS), UINT64_C(0x10000000000), 40, FORMAT, NULL,
	 "the header's length, the first 8 bytes of the body, is 1099511627776 as it must be "
	 "read, little-endian, and 65536 the other way round: write it, and the tensors, "
	 "little-endian"},
	{H(TARGETS "," LOGITS), UINT64_C(0x100010000000000), 40, FORMAT, NULL,
	 "the header's length, the first 8 bytes of the body, is 72058693549555712, but the "
	 "server's limit (max_header_bytes) is 65536"},
	{H(TARGETS "," LOGITS), UINT64_MAX, 40, FORMAT, NULL,
	 "the header's length, the first 8 bytes of the body, is 18446744073709551615, but the "
	 "server's limit (max_header_bytes) is 65536"},
	{H(TARGETS), 1000, 0, CUT, NULL, "the body ends after 61 of the header's 1000 bytes"},
	{"{", 65536, 0, CUT, NULL, "the body ends after 1 of the header's 65536 bytes"},
	/* not JSON, or not an object */
	{"[]", 0, 0, FORMAT, NULL, "the header begins with the byte 0x5b, but must with { (0x7b)"},
	{" {}", 0, 0, FORMAT, NULL, "the header begins with the byte 0x20, but must with { (0x7b)"},
	{"{\"logits\"", 0, 0, FORMAT, NULL,
	 "the header is not valid JSON: line 1, column 10: the body ends here, but ':' is "
	 "expected"},
	{H(LOGITS), 40, 100, FORMAT, NULL,
	 "the header is not valid JSON: line 1, column 41: the body ends here, but a string is not "
	 "closed"},
	{H(LOGITS ","), 0, 40, FORMAT, NULL,
	 "the header is not valid JSON: line 1, column 64: found '}', but a name is expected: no "
	 "comma stands before the end"},
	{H(TARGETS "," LOGITS) "x", 0, 40, FORMAT, NULL,
	 "the header is not valid JSON: line 1, column 124: found 'x', but nothing may follow the "
	 "document; it ends after 123 bytes, and the body's first 8 must say so"},
	{H("\"\xff\":{}"), 0, 0, FORMAT, NULL,
	 "the header is not valid JSON: line 1, column 3: found the byte 0xff, but a string must "
	 "be valid UTF-8"},
	{H("\"__metadata__\":{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
	   "]]]]]}"),
	 0, 0, FORMAT, NULL,
	 "the header has an array for \"__metadata__\", which must be an object of strings"},
	/* offsets */
	{H(T("targets", "I64", "2", "0,16") "," T("logits", "F32", "2,3", "17,41")), 0, 41, FORMAT,
	 "logits",
	 "the data_offsets of \"logits\" begin at 17, but must at 16, where the bytes before them "
	 "end: the tensors may have no gap between them and no overlap"},
	{H(T("targets", "I64", "2", "0,16") "," T("logits", "F32", "2,3", "15,39")), 0, 39, FORMAT,
	 "logits",
	 "the data_offsets of \"logits\" begin at 15, but must at 16, where the bytes before them "
	 "end: the tensors may have no gap between them and no overlap"},
	{H(T("targets", "I64", "2", "8,24") "," T("logits", "F32", "2,3", "24,48")), 0, 48, FORMAT,
	 "targets",
	 "the data_offsets of \"targets\" begin at 8, but must at 0, where the bytes before them "
	 "end: the tensors may have no gap between them and no overlap"},
	{H(T("targets", "I64", "2", "0,16") "," T("logits", "F32", "2,3", "0,24")), 0, 24, FORMAT,
	 "logits",
	 "the data_offsets of \"logits\" begin at 0, but must at 16, where the bytes before them "
	 "end: the tensors may have no gap between them and no overlap"},
	{L("{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[40,16]}"), 0, 40, FORMAT, "logits",
	 "the data_offsets of \"logits\" begin at 40, after their end at 16"},
	{L("{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[16,36]}"), 0, 40, FORMAT, "logits",
	 "the data_offsets of \"logits\" span 20 bytes, but its dtype and shape take 24"},
	{L("{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[16]}"), 0, 40, FORMAT, "logits",
	 "the header has 1 data_offsets of \"logits\", which must be two: the begin and the end of "
	 "its bytes"},
	{L("{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[16,40,41]}"), 0, 40, FORMAT,
	 "logits",
	 "the header has 3 data_offsets of \"logits\", which must be two: the begin and the end of "
	 "its bytes"},
	{L("{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[16.0,40]}"), 0, 40, FORMAT,
	 "logits",
	 "the header has 16.0 in data_offsets of \"logits\", which must be whole numbers from 0 to "
	 "18446744073709551615"},
	{L("{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[-16,40]}"), 0, 40, FORMAT,
	 "logits",
	 "the header has -16 in data_offsets of \"logits\", which must be whole numbers from 0 to "
	 "18446744073709551615"},
	{L("{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[16,18446744073709551616]}"), 0, 40,
	 FORMAT, "logits",
	 "the header has 18446744073709551616 in data_offsets of \"logits\", which must be whole "
	 "numbers from 0 to 18446744073709551615"},
	{L("{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[[16],40]}"), 0, 40, FORMAT,
	 "logits",
	 "the header has an array in data_offsets of \"logits\", which must be whole numbers from "
	 "0 to 18446744073709551615"},
	{L("{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":{\"b\":16}}"), 0, 40, FORMAT,
	 "logits",
	 "the header has an object in data_offsets of \"logits\", which must be an array"},
	{H(TARGETS "," LOGITS), 0, 39, CUT, NULL,
	 "the body ends after 39 of the tensors' 40 bytes"},
	{H(TARGETS "," LOGITS), 0, 0, CUT, NULL, "the body ends after 0 of the tensors' 40 bytes"},
	{H(T("targets", "I64", "2", "0,16") "," T("logits", "F32", "2,4611686018427387899",
						  "16,36893488147419103208")),
	 0, 40, FORMAT, "logits",
	 "the header has 36893488147419103208 in data_offsets of \"logits\", which must be whole "
	 "numbers from 0 to 18446744073709551615"},
	{H(T("targets", "I64", "2", "0,16") "," T("logits", "F32", "2,1000000000",
						  "16,8000000016")),
	 0, 40, CUT, NULL, "the body ends after 40 of the tensors' 8000000016 bytes"},
	{H(TARGETS "," LOGITS), 0, 41, FORMAT, NULL,
	 "the body has 1 bytes after the last tensor's end at 40, which belong to none"},
	{H(TARGETS "," LOGITS), 0, 80, FORMAT, NULL,
	 "the body has 40 bytes after the last tensor's end at 40, which belong to none"},
	{"{}", 0, 8, FORMAT, NULL,
	 "the body has 8 bytes after the last tensor's end at 0, which belong to none"},
	/* shapes */
	{L("{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[16,16]}"), 0, 16,
	 FORMAT, "logits", "the shape of \"logits\" has more than 2^64 bytes"},
	{L("{\"dtype\":\"F32\",\"shape\":[9223372036854775808,2,0],\"data_offsets\":[16,16]}"), 0,
	 16, FORMAT, "logits", "the shape of \"logits\" has more than 2^64 bytes"},
	{L("{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[16,16]}"), 0, 16,
	 FORMAT, "logits", "the shape of \"logits\" has more than 2^64 bytes"},
	{L("{\"dtype\":\"F32\",\"shape\":[2,-3],\"data_offsets\":[16,40]}"), 0, 40, FORMAT,
	 "logits",
	 "the header has -3 in shape of \"logits\", which must be whole numbers from 0 to "
	 "18446744073709551615"},
	{L("{\"dtype\":\"F32\",\"shape\":[2,3.0],\"data_offsets\":[16,40]}"), 0, 40, FORMAT,
	 "logits",
	 "the header has 3.0 in shape of \"logits\", which must be whole numbers from 0 to "
	 "18446744073709551615"},
	{L("{\"dtype\":\"F32\",\"shape\":[2,\"3\"],\"data_offsets\":[16,40]}"), 0, 40, FORMAT,
	 "logits",
	 "the header has \"3\" in shape of \"logits\", which must be whole numbers from 0 to "
	 "18446744073709551615"},
	{L("{\"dtype\":\"F32\",\"shape\":[[2],3],\"data_offsets\":[16,40]}"), 0, 40, FORMAT,
	 "logits",
	 "the header has an array in shape of \"logits\", which must be whole numbers from 0 to "
	 "18446744073709551615"},
	{L("{\"dtype\":\"F32\",\"shape\":6,\"data_offsets\":[16,40]}"), 0, 40, FORMAT, "logits",
	 "the header has 6 in shape of \"logits\", which must be an array"},
	{L("{\"dtype\":\"F32\",\"shape\":null,\"data_offsets\":[16,40]}"), 0, 40, FORMAT, "logits",
	 "the header has null in shape of \"logits\", which must be an array"},
	/* other members */
	{L("{\"dtype\":\"F33\",\"shape\":[2,3],\"data_offsets\":[16,40]}"), 0, 40, FORMAT, "logits",
	 "the header has \"F33\" in dtype of \"logits\", which must be one of F64, F32, F16, BF16, "
	 "F8_E4M3, F8_E5M2, I64, I32, I16, I8, U64, U32, U16, U8, BOOL"},
	{L("{\"dtype\":\"C64\",\"shape\":[3],\"data_offsets\":[16,40]}"), 0, 40, FORMAT, "logits",
	 "the header has \"C64\" in dtype of \"logits\", which must be one of F64, F32, F16, BF16, "
	 "F8_E4M3, F8_E5M2, I64, I32, I16, I8, U64, U32, U16, U8, BOOL"},
	{L("{\"dtype\":\"f32\",\"shape\":[2,3],\"data_offsets\":[16,40]}"), 0, 40, FORMAT, "logits",
	 "the header has \"f32\" in dtype of \"logits\", which must be one of F64, F32, F16, BF16, "
	 "F8_E4M3, F8_E5M2, I64, I32, I16, I8, U64, U32, U16, U8, BOOL"},
	{L("{\"dtype\":32,\"shape\":[2,3],\"data_offsets\":[16,40]}"), 0, 40, FORMAT, "logits",
	 "the header has 32 in dtype of \"logits\", which must be one of F64, F32, F16, BF16, "
	 "F8_E4M3, F8_E5M2, I64, I32, I16, I8, U64, U32, U16, U8, BOOL"},
	{L("{\"dtype\":{\"dtype\":\"F32\"},\"shape\":[2,3],\"data_offsets\":[16,40]}"), 0, 40,
	 FORMAT, "logits",
	 "the header has an object in dtype of \"logits\", which must be one of F64, F32, F16, "
	 "BF16, F8_E4M3, F8_E5M2, I64, I32, I16, I8, U64, U32, U16, U8, BOOL"},
	{L("{\"shape\":[2,3],\"data_offsets\":[16,40]}"), 0, 40, FORMAT, "logits",
	 "the header has no dtype of \"logits\""},
	{L("{\"dtype\":\"F32\",\"data_offsets\":[16,40]}"), 0, 40, FORMAT, "logits",
	 "the header has no shape of \"logits\""},
	{L("{\"dtype\":\"F32\",\"shape\":[2,3]}"), 0, 40, FORMAT, "logits",
	 "the header has no data_offsets of \"logits\""},
	{L("{}"), 0, 40, FORMAT, "logits", "the header has no dtype of \"logits\""},
	{L("{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[16,40]}"), 0, 40,
	 FORMAT, "logits", "the header has dtype of \"logits\" twice"},
	{L("{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[16,40],\"data\":[1]}"), 0, 40,
	 FORMAT, "logits",
	 "the header has \"data\" in \"logits\", where only dtype, shape and data_offsets may "
	 "stand"},
	{L("[16,40]"), 0, 40, FORMAT, "logits",
	 "the header has an array for \"logits\", which must be an object"},
	{L("null"), 0, 40, FORMAT, "logits",
	 "the header has null for \"logits\", which must be an object"},
	/* names */
	{H(TARGETS "," LOGITS "," T("logits", "F32", "2,3", "40,64")), 0, 64, FORMAT, "logits",
	 "the header has \"logits\" twice"},
	{H(TARGETS "," LOGITS
		   "," T("masks", "U8", "1", "40,41") "," T("masks", "U8", "1", "41,42")),
	 0, 42, FORMAT, NULL, "the header has \"masks\" twice"},
	{H(TARGETS "," LOGITS "," T("l\\u006fgits", "F32", "", "40,44")), 0, 44, FORMAT, "logits",
	 "the header has \"logits\" twice"},
	{H(TARGETS "," LOGITS "," T("masks", "U8", "1", "40,41")), 0, 41, LOSS_UNKNOWN_FIELD,
	 "masks",
	 "cross_entropy has no tensor \"masks\"; use \"mask\": false where something is not to "
	 "count: it has loss 0 and gradient 0, whatever it holds"},
	{H(TARGETS "," LOGITS "," T("", "U8", "0", "40,40")), 0, 40, LOSS_UNKNOWN_FIELD, NULL,
	 "cross_entropy has no tensor \"\"; there are logits, targets, weight, row_weight, mask, "
	 "groups, bytes and grad_output"},
	{H(TARGETS "," LOGITS "," T("reduction", "U8", "1", "40,41")), 0, 41, LOSS_UNKNOWN_FIELD,
	 "reduction",
	 "cross_entropy has no tensor \"reduction\"; it is an argument: give it in the query "
	 "string"},
	{H(TARGETS "," T("Logits", "F32", "2,3", "16,40")), 0, 40, LOSS_UNKNOWN_FIELD, "Logits",
	 "cross_entropy has no tensor \"Logits\"; the nearest is \"logits\""},
	{H(TARGETS "," LOGITS "," T("masks", "U8", "1", "40,41")), 0, 40, CUT, NULL,
	 "the body ends after 40 of the tensors' 41 bytes"},
	{H(TARGETS "," LOGITS "," T("masks", "U8", "1", "40,41")), 0, 42, FORMAT, NULL,
	 "the body has 1 bytes after the last tensor's end at 41, which belong to none"},
	/* __metadata__ */
	{H("\"__metadata__\":5," TARGETS "," LOGITS), 0, 40, FORMAT, NULL,
	 "the header has 5 for \"__metadata__\", which must be an object"},
	{H("\"__metadata__\":{\"format\":5}," TARGETS "," LOGITS), 0, 40, FORMAT, NULL,
	 "the header has 5 for \"__metadata__\", which must be an object of strings"},
	{H("\"__metadata__\":{\"format\":{}}," TARGETS "," LOGITS), 0, 40, FORMAT, NULL,
	 "the header has an object for \"__metadata__\", which must be an object of strings"},
	{H("\"__metadata__\":{},\"__metadata__\":{}," TARGETS "," LOGITS), 0, 40, FORMAT, NULL,
	 "the header has \"__metadata__\" twice"},
	/* the server's limits */
	{H(TARGETS "," T("logits", "F32", "1,1,1,1,1,1,1,2,3", "16,40")), 0, 40,
	 STATUS_TOO_MANY_ELEMENTS, "logits",
	 "logits.shape has more than 8 dimensions (max_rank), which is the server's limit"},
	{H(TARGETS "," T("logits", "F32", "1048577,0", "16,16")), 0, 16, STATUS_TOO_MANY_ELEMENTS,
	 "logits",
	 "logits.shape has more than 1048576 places beside its zero dimension, which is the "
	 "server's limit"},
	/* the loss */
	{"{}", 0, 0, LOSS_MISSING_FIELD, "logits",
	 "cross_entropy needs logits, shape (C), (N, C) or (N, C, d1..d6); with class_axis -1, C "
	 "is last"},
	{H(TARGETS), 0, 16, LOSS_MISSING_FIELD, "logits",
	 "cross_entropy needs logits, shape (C), (N, C) or (N, C, d1..d6); with class_axis -1, C "
	 "is last"},
	{H(T("logits", "F32", "2,3", "0,24")), 0, 24, LOSS_MISSING_FIELD, "targets",
	 "cross_entropy needs targets, shape the input's without its class axis: (), (N) or (N, "
	 "d1..d6) for class indices, that of logits for probabilities"},
	{H(T("logits", "F32", "1048577,0", "0,0")), 0, 0, LOSS_MISSING_FIELD, "targets",
	 "targets is missing, but cross_entropy needs it"},
	{H(TARGETS "," T("logits", "I32", "2,3", "16,40")), 0, 40, LOSS_DTYPE_MISMATCH, "logits",
	 "logits is I32, but must be one of F64, F32, F16, BF16, F8_E4M3, F8_E5M2"},
	{H(T("logits", "I32", "2,3", "0,24") "," T("targets", "I64", "2", "24,40")), 0, 40,
	 LOSS_DTYPE_MISMATCH, "logits",
	 "logits is I32, but must be one of F64, F32, F16, BF16, F8_E4M3, F8_E5M2"},
	{H(T("targets", "BOOL", "2", "0,2") "," T("logits", "F32", "2,3", "2,26")), 0, 26,
	 LOSS_DTYPE_MISMATCH, "targets",
	 "targets is BOOL, but must be one of F64, F32, F16, BF16, F8_E4M3, F8_E5M2, I64, I32, "
	 "I16, I8, U64, U32, U16, U8"},
	{H(T("targets", "I64", "3", "0,24") "," T("logits", "F32", "2,3", "24,48")), 0, 48,
	 LOSS_SHAPE_MISMATCH, "targets",
	 "targets has shape (3), but must have (2), that of logits without the class axis (or "
	 "all of that, for probabilities)"},
	{H(T("targets", "I64", "0", "0,0") "," T("logits", "F32", "0,0", "0,0")), 0, 0,
	 LOSS_SHAPE_MISMATCH, "logits",
	 "logits has shape (0, 0), but must have at least one class on axis 1"},
};
const size_t n_bad_safetensors = sizeof bad_safetensors / sizeof bad_safetensors[0];

char *bad_safetensors_body(const struct bad_safetensors *bad, size_t *size)
{
	char *zeros = calloc(1, bad->n + 1);
	require(zeros != NULL, "no memory for a body");
	if (!bad->header) {
		*size = bad->n;
		return zeros;
	}
	char *body = safetensors_body(bad->header, zeros, bad->n, size);
	if (bad->length)
		memcpy(body, &bad->length, sizeof bad->length);
	free(zeros);
	return body;
}
