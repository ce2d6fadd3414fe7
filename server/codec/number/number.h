/*
 * Text to number and back, for JSON. Reading: the nearest double (ties to even) of any decimal, as
 * Python and PyTorch hold it. Writing: the shortest digits that read back to the same value of the
 * type. Neither depends on the locale.
 */
#ifndef LOSSD_CODEC_NUMBER_H
#define LOSSD_CODEC_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum number_status {
	NUMBER_OK,
	NUMBER_MORE, /* the bytes end inside the token, or right after it: it may go on */
	NUMBER_BAD,  /* breaks JSON's grammar at *end */
};

struct number {
	double value;       /* nearest double; +-infinity where too large */
	uint64_t magnitude; /* of an integer token that fits 64 bits */
	bool negative;      /* a leading '-' */
	bool is_integer;    /* integer syntax: no fraction, no exponent */
	bool fits;          /* is_integer and |value| < 2^64: magnitude is exact */
};

/*
 * Reads one number of JSON's grammar (RFC 8259: no leading '+', '01', '1.', '.5') from [p, limit).
 * On NUMBER_OK *end is the first byte after the token. NUMBER_MORE whenever every byte up to limit
 * belongs to the token.
 */
enum number_status number_scan(const char *p, const char *limit, const char **end,
			       struct number *out);

/* The same where the text is known to be whole: NUMBER_OK only if all n bytes are one number. */
enum number_status number_parse(const char *text, size_t n, struct number *out);

/*
 * Write a finite value, not terminated; return the length. As Python's repr writes it: "1.0",
 * "-0.0", "1e-07", "1.3447266", "1e+16": always a fraction or an exponent.
 */
#define NUMBER_MAX_CHARS 32
size_t number_format_f32(float value, char *out);
size_t number_format_f64(double value, char *out);
/*
 * The same of digits * 10^exponent, without a look at the double that it is: with at most 15 digits
 * (NUMBER_EXACT_DIGITS) the digits that there are are the shortest of it.
 */
#define NUMBER_EXACT_DIGITS UINT64_C(999999999999999)
size_t number_format_decimal(uint64_t digits, int exponent, char *out);
/* The magnitude of the float whose shortest digits are not written: number_format.c says why. */
#define NUMBER_DOUBLY_ROUNDED UINT32_C(0x15ae43fd)
/*
 * Many at once, as number_format_f32 writes them, each with a comma after it. Stops before the
 * first that is not finite; returns how many were written, and moves *out. Bytes up to
 * NUMBER_MAX_CHARS after the start of each may be written.
 */
size_t number_format_run_f32(const float *values, size_t n, char **out);
/*
 * The same of types that C does not have, from their bits. The digits read back to the same value
 * where they are rounded to the nearest double first and then to the type, as tensors are read;
 * 448 of F8_E4M3 is "450.0", for 450 is nearer to it than to any other number of the type.
 */
size_t number_format_f16(uint16_t bits, char *out);
size_t number_format_bf16(uint16_t bits, char *out);
size_t number_format_f8_e4m3(uint8_t bits, char *out);
size_t number_format_f8_e5m2(uint8_t bits, char *out);
/* The same for integers: "0", "-9223372036854775808". */
size_t number_format_u64(uint64_t value, char *out);
size_t number_format_i64(int64_t value, char *out);

#endif
