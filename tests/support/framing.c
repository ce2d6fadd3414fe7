#include "framing.h"

_Static_assert(sizeof PROBLEM - 1 == 57, "PROBLEM_LENGTH is PROBLEM's");

/* ---------------------------------------------------------------- refused */

/* With its size, for it may have NULs. */
#define TEXT(text) text, sizeof(text) - 1
#define INVALID 400, "invalid_header"
#define LIBRARY(status) status, NULL
#define CLOSED 0, NULL
#define LENGTH(value) TEXT(POST HOST "Content-Length: " value "\r\n\r\nabcde" HIDDEN)
#define CODING(value) TEXT(POST HOST "Transfer-Encoding: " value "\r\n\r\n0\r\n\r\n" HIDDEN)
#define EXPECT(value) TEXT(POST HOST "Expect: " value "\r\nContent-Length: 5\r\n\r\nabcde" HIDDEN)
#define GET_LOSSES "GET /v1/losses HTTP/1.1\r\n"
#define LINE(line) TEXT(line "\r\n" HOST "\r\n" HIDDEN)
#define CHUNK(size) TEXT(CHUNKED size "\r\nabc\r\n0\r\n\r\n" HIDDEN)

const struct framing_refused framing_refused[] = {
	{"length, then coding",
	 TEXT(POST HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN),
	 INVALID},
	{"coding, then length",
	 TEXT(POST HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" HIDDEN),
	 INVALID},
	{"two lengths",
	 TEXT(POST HOST "Content-Length: 5\r\nContent-Length: 0\r\n\r\nabcde" HIDDEN), INVALID},
	{"the same length twice",
	 TEXT(POST HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde" HIDDEN), INVALID},
	{"length +5", LENGTH("+5"), LIBRARY(400)},
	{"length -1", LENGTH("-1"), LIBRARY(400)},
	{"length 0x5", LENGTH("0x5"), LIBRARY(400)},
	{"length 5,5", LENGTH("5,5"), LIBRARY(400)},
	{"length empty", LENGTH(""), LIBRARY(400)},
	{"a space after the length", LENGTH("5 "), LIBRARY(400)},
	{"a tab after the length", LENGTH("5\t"), LIBRARY(400)},
	{"a space in the length", LENGTH("5 0"), LIBRARY(400)},
	{"length 2^64", LENGTH("18446744073709551616"), LIBRARY(413)},
	{"length 2^63", LENGTH("9223372036854775808"), 413, "body_too_large"},
	{"length over the limit", LENGTH("1001"), 413, "body_too_large"},
	{"coding gzip, chunked", CODING("gzip, chunked"), INVALID},
	{"coding xchunked", CODING("xchunked"), INVALID},
	{"coding identity", CODING("identity"), INVALID},
	{"coding empty", CODING(""), INVALID},
	/* libmicrohttpd would take these for no known coding, and read for ever. */
	{"a space after the coding", CODING("chunked "), INVALID},
	{"a tab after the coding", CODING("chunked\t"), INVALID},
	{"white space around the coding", CODING("\t chunked \t "), INVALID},
	{"a space in the coding", CODING("chun ked"), INVALID},
	{"a vertical tab after the coding", CODING("chunked\v"), INVALID},
	{"NUL after the coding", CODING("chunked\0"), INVALID},
	{"chunked with a parameter", CODING("chunked;a=b"), INVALID},
	{"chunked twice in one", CODING("chunked, chunked"), INVALID},
	{"two codings",
	 TEXT(POST HOST
	      "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN),
	 INVALID},
	{"coding on HTTP/1.0",
	 TEXT("POST " CROSS_ENTROPY " HTTP/1.0\r\n" HOST
	      "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN),
	 INVALID},
	{"no length", TEXT(POST HOST "\r\n" HIDDEN), 411, "length_required"},

	{"no host", TEXT(GET_LOSSES "\r\n" HIDDEN), INVALID},
	{"empty host", TEXT(GET_LOSSES "Host:\r\n\r\n" HIDDEN), INVALID},
	{"two hosts", TEXT(GET_LOSSES HOST HOST "\r\n" HIDDEN), INVALID},
	{"host with a path", TEXT(GET_LOSSES "Host: a/b\r\n\r\n" HIDDEN), INVALID},

	{"space before the colon", TEXT(POST HOST "Content-Length : 5\r\n\r\nabcde" HIDDEN),
	 INVALID},
	{"tab before the colon", TEXT(POST HOST "Content-Length\t: 5\r\n\r\nabcde" HIDDEN),
	 INVALID},
	{"space in a name", TEXT(GET_LOSSES HOST "X y: 5\r\n\r\n" HIDDEN), INVALID},
	{"a header without a name", TEXT(POST HOST ": x\r\nContent-Length: 5\r\n\r\nabcde" HIDDEN),
	 400, "invalid_header"},
	{"a line without a colon", TEXT(GET_LOSSES HOST "nonsense\r\n\r\n" HIDDEN), LIBRARY(400)},
	{"a folded value", TEXT(GET_LOSSES HOST "X: a\r\n b\r\n\r\n" HIDDEN), INVALID},
	{"a folded length", TEXT(POST HOST "Content-Length: 5\r\n 0\r\n\r\nabcde" HIDDEN),
	 LIBRARY(400)},
	{"a bare line feed", TEXT(GET_LOSSES HOST "X: a\nY: b\r\n\r\n" HIDDEN), INVALID},
	{"a bare line feed after the request line",
	 TEXT("GET /v1/losses HTTP/1.1\nHost: a\r\n\r\n" HIDDEN), INVALID},
	{"a bare line feed at the end", TEXT(GET_LOSSES "Host: a\n\n" HIDDEN), INVALID},
	{"a bare carriage return", TEXT(GET_LOSSES HOST "X: a\rb\r\n\r\n" HIDDEN), INVALID},
	{"NUL in a value", TEXT(GET_LOSSES HOST "X: a\0b\r\n\r\n" HIDDEN), INVALID},
	{"NUL after a length",
	 TEXT(POST HOST "Content-Length: 5\0"
			"0\r\n\r\nabcde" HIDDEN),
	 INVALID},
	{"NUL before a name", TEXT(GET_LOSSES HOST "\0X: a\r\n\r\n" HIDDEN), INVALID},
	{"NUL in a name", TEXT(GET_LOSSES HOST "X\0: a\r\n\r\n" HIDDEN), LIBRARY(400)},

	{"space in the target", LINE("GET /v1/losses?a b HTTP/1.1"), INVALID},
	{"NUL in the target", LINE("GET /v1/losses\0xyz HTTP/1.1"), INVALID},
	{"NUL before the target", LINE("GET \0/v1/losses HTTP/1.1"), 404, "unknown_path"},
	{"NUL at the target's end", LINE("GET /v1/losses\0 HTTP/1.1"), INVALID},
	{"NUL before a query", LINE("GET /v1/losses\0?a=b HTTP/1.1"), INVALID},
	{"NUL in a query", LINE("GET /v1/losses?a\0b HTTP/1.1"), INVALID},
	{"NUL, then a version", LINE("GET /v1/losses\0HTTP/1.1 HTTP/1.1"), INVALID},
	{"NUL after an encoded NUL", LINE("GET /v1/losses%00\0 HTTP/1.1"), 404, "unknown_path"},
	{"NUL in the method", LINE("GET\0X /v1/losses HTTP/1.1"), INVALID},
	{"NUL after the method", LINE("GET\0 /v1/losses HTTP/1.1"), INVALID},
	{"NUL before the method", LINE("\0GET /v1/losses HTTP/1.1"), LIBRARY(400)},
	{"NUL in the version", LINE("GET /v1/losses HTTP/1.\0"), LIBRARY(400)},
	{"NUL after the version", LINE("GET /v1/losses HTTP/1.1\0"), LIBRARY(400)},
	{"two spaces before the target", LINE("GET  /v1/losses HTTP/1.1"), INVALID},
	{"two spaces before the version", LINE("GET /v1/losses  HTTP/1.1"), 404, "unknown_path"},
	{"a space after the version", LINE("GET /v1/losses HTTP/1.1 "), LIBRARY(400)},
	{"a tab after the method", LINE("GET\t/v1/losses HTTP/1.1"), LIBRARY(400)},
	{"a space before the method", LINE(" GET /v1/losses HTTP/1.1"), CLOSED},

	{"an unknown expectation", EXPECT("foo"), 417, "expectation_failed"},
	/* libmicrohttpd would not say 100 to these. */
	{"a space after the expectation", EXPECT("100-continue "), 417, "expectation_failed"},
	{"a tab after the expectation", EXPECT("100-continue\t"), 417, "expectation_failed"},
	{"two expectations", EXPECT("100-continue\r\nExpect: 100-continue"), 417,
	 "expectation_failed"},
	{"two expectations in one", EXPECT("100-continue, foo"), 417, "expectation_failed"},
	{"an empty expectation", EXPECT(""), 417, "expectation_failed"},
	{"HTTP/2 preface", TEXT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" HIDDEN), LIBRARY(505)},
	{"HTTP/0.9", TEXT("GET /v1/losses\r\n\r\n" HIDDEN), LIBRARY(400)},
	{"no target", LINE("GET HTTP/1.1"), LIBRARY(400)},

	{"chunk size 2^64", CHUNK("10000000000000000"), LIBRARY(413)},
	{"chunk size -1", CHUNK("-1"), LIBRARY(400)},
	{"chunk size 0x3", CHUNK("0x3"), LIBRARY(400)},
	{"chunk size empty", CHUNK(""), LIBRARY(400)},
	{"no CR LF after a chunk", TEXT(CHUNKED "3\r\nabcX0\r\n\r\n" HIDDEN), LIBRARY(400)},
	{0},
};

/* ---------------------------------------------------------------- served */

const struct framing_served framing_served[] = {
	{"a length", POST HOST "Content-Length: " PROBLEM_LENGTH "\r\n\r\n" PROBLEM, "200",
	 SEED_LOSS},
	{"a length with zeros before it",
	 POST HOST "Content-Length: 000" PROBLEM_LENGTH "\r\n\r\n" PROBLEM, "200", SEED_LOSS},
	{"chunks", CHUNKED "39\r\n" PROBLEM "\r\n0\r\n\r\n", "200", SEED_LOSS},
	{"chunks with an extension and a trailer",
	 CHUNKED "39;a=b\r\n" PROBLEM "\r\n0\r\nX: y\r\n\r\n", "200", SEED_LOSS},
	{"chunks in capitals",
	 POST HOST "transfer-encoding: Chunked\r\n\r\n39\r\n" PROBLEM "\r\n0\r\n\r\n", "200",
	 SEED_LOSS},
	{"HTTP/1.0",
	 "POST " CROSS_ENTROPY " HTTP/1.0\r\nContent-Length: " PROBLEM_LENGTH "\r\n\r\n" PROBLEM,
	 "200", SEED_LOSS},
	{"HTTP/1.0 with an expectation",
	 "POST " CROSS_ENTROPY
	 " HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: " PROBLEM_LENGTH "\r\n\r\n" PROBLEM,
	 "200", SEED_LOSS},
	{"absolute form", "GET http://b:80/v2 HTTP/1.1\r\n" HOST "\r\n", "200", "lossd"},
	{"absolute form without a path", "GET HTTP://b HTTP/1.1\r\n" HOST "\r\n", "200", "<html"},
	{"an encoded path", "GET /v%32 HTTP/1.1\r\n" HOST "\r\n", "200", "lossd"},
	{"empty lines before it", "\r\n\r\nGET /v2 HTTP/1.1\r\n" HOST "\r\n", "200", "lossd"},
	{"white space around a value", "GET /v2 HTTP/1.1\r\n" HOST "X-Request-Id: \t id \t\r\n\r\n",
	 "200", "X-Request-Id: id\r\n"},
	{"a body after GET", "GET /v2 HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nabcde", "200",
	 "lossd"},
	{"OPTIONS *", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "204",
	 "Allow: GET, HEAD, POST, OPTIONS\r\n"},
	{"dots", "GET /%2e%2e/ HTTP/1.1\r\n" HOST "\r\n", "404", "unknown_path"},
	{"an encoded NUL", "GET /v1/losses%00 HTTP/1.1\r\n" HOST "\r\n", "404", "NUL"},
	{"an encoded NUL before the end", "GET /%00v1/losses HTTP/1.1\r\n" HOST "\r\n", "404",
	 "NUL"},
	{"half an encoded byte", "GET /v1/losses%4 HTTP/1.1\r\n" HOST "\r\n", "404",
	 "unknown_path"},
	{"an unknown method", "FROB /v1/losses HTTP/1.1\r\n" HOST "\r\n", "405",
	 "method_not_allowed"},
	{"a method in small letters", "get /v1/losses HTTP/1.1\r\n" HOST "\r\n", "405",
	 "method_not_allowed"},
	{"CONNECT", "CONNECT a:80 HTTP/1.1\r\n" HOST "\r\n", "404", "unknown_path"},
	{"a wrong path with a body", "POST /no HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc",
	 "404", "unknown_path"},
	{0},
};
