/* Base64 (RFC 4648, section 4): with padding, without breaks. */
#ifndef LOSS_BASE64_H
#define LOSS_BASE64_H

#include <stdbool.h>
#include <stddef.h>

/* The characters of n bytes, and the most bytes that n characters are. */
#define TEXT_CHARS(n) (((n) + 2) / 3 * 4)
#define TEXT_BYTES(n) ((n) / 4 * 3)

/* Writes TEXT_CHARS(n) characters and no end. */
void base64_encode(const unsigned char *bytes, size_t n, char *text);

/* Reads n characters into room for TEXT_BYTES(n) bytes, and how many there are into *size. False
 * for what base64_encode would not have written: other characters, a length that is no multiple of
 * four, padding elsewhere than at the end, and bits in the last character that no byte has. */
bool base64_decode(const char *text, size_t n, unsigned char *bytes, size_t *size);

#endif
