/* The linker hands the C library's functions to those here (--wrap, see the Makefile). */
#include "counter.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "loss.h"

#define BYTES_OF_A_STEP 8
#define STEPS_OF_A_SENTENCE 64

static struct counts counts;

struct counts counter_now(void)
{
	return counts;
}

struct counts counter_since(struct counts before)
{
	return (struct counts){counts.steps - before.steps, counts.sentences - before.sentences};
}

static void count_bytes(size_t n)
{
	counts.steps += 1 + n / BYTES_OF_A_STEP;
}

static void count_sentence(void)
{
	counts.steps += STEPS_OF_A_SENTENCE;
	counts.sentences++;
}

/* Called by every basic block. */
void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void)
{
	counts.steps++;
}

/* The function `name`, and the one that is called in its place. */
#define WRAP(type, name, parameters)                                                               \
	type __real_##name parameters;                                                             \
	type __wrap_##name parameters;                                                             \
	type __wrap_##name parameters

/* ---------------------------------------------------------------- lengths */

WRAP(size_t, strlen, (const char *text))
{
	size_t n = __real_strlen(text);
	count_bytes(n);
	return n;
}

WRAP(size_t, strnlen, (const char *text, size_t max))
{
	size_t n = __real_strnlen(text, max);
	count_bytes(n);
	return n;
}

WRAP(size_t, strspn, (const char *text, const char *accept))
{
	size_t n = __real_strspn(text, accept);
	count_bytes(n);
	return n;
}

WRAP(size_t, strcspn, (const char *text, const char *reject))
{
	size_t n = __real_strcspn(text, reject);
	count_bytes(n);
	return n;
}

/* ---------------------------------------------------------------- searches */

WRAP(char *, strchr, (const char *text, int c))
{
	char *found = __real_strchr(text, c);
	count_bytes(found ? (size_t)(found - text) : __real_strlen(text));
	return found;
}

WRAP(char *, strpbrk, (const char *text, const char *accept))
{
	char *found = __real_strpbrk(text, accept);
	count_bytes(found ? (size_t)(found - text) : __real_strlen(text));
	return found;
}

WRAP(char *, strstr, (const char *text, const char *part))
{
	char *found = __real_strstr(text, part);
	count_bytes(found ? (size_t)(found - text) : __real_strlen(text));
	return found;
}

WRAP(void *, memchr, (const void *bytes, int c, size_t n))
{
	void *found = __real_memchr(bytes, c, n);
	count_bytes(found ? (size_t)((char *)found - (const char *)bytes) : n);
	return found;
}

/* ---------------------------------------------------------------- comparisons */

/* How long a and b are alike, at most n bytes, and up to a NUL where they are texts. */
static size_t alike(const char *a, const char *b, size_t n, bool text)
{
	size_t i = 0;
	while (i < n && (a[i] | 0x20) == (b[i] | 0x20) && !(text && a[i] == '\0'))
		i++;
	return i;
}

WRAP(int, memcmp, (const void *a, const void *b, size_t n))
{
	count_bytes(alike(a, b, n, false));
	return __real_memcmp(a, b, n);
}

WRAP(int, strcmp, (const char *a, const char *b))
{
	count_bytes(alike(a, b, SIZE_MAX, true));
	return __real_strcmp(a, b);
}

WRAP(int, strncmp, (const char *a, const char *b, size_t n))
{
	count_bytes(alike(a, b, n, true));
	return __real_strncmp(a, b, n);
}

WRAP(int, strcasecmp, (const char *a, const char *b))
{
	count_bytes(alike(a, b, SIZE_MAX, true));
	return __real_strcasecmp(a, b);
}

WRAP(int, strncasecmp, (const char *a, const char *b, size_t n))
{
	count_bytes(alike(a, b, n, true));
	return __real_strncasecmp(a, b, n);
}

/* ---------------------------------------------------------------- copies */

WRAP(void *, memcpy, (void *to, const void *from, size_t n))
{
	count_bytes(n);
	return __real_memcpy(to, from, n);
}

WRAP(void *, memmove, (void *to, const void *from, size_t n))
{
	count_bytes(n);
	return __real_memmove(to, from, n);
}

WRAP(void *, memset, (void *to, int c, size_t n))
{
	count_bytes(n);
	return __real_memset(to, c, n);
}

WRAP(char *, stpcpy, (char *to, const char *from))
{
	char *end = __real_stpcpy(to, from);
	count_bytes((size_t)(end - to));
	return end;
}

WRAP(void *, realloc, (void *memory, size_t n))
{
	count_bytes(n);
	return __real_realloc(memory, n);
}

/* ---------------------------------------------------------------- sentences */

WRAP(int, vsnprintf, (char *out, size_t size, const char *format, va_list args))
{
	int n = __real_vsnprintf(out, size, format, args);
	count_sentence();
	count_bytes(n > 0 ? (size_t)n : 0);
	return n;
}

int __wrap_snprintf(char *out, size_t size, const char *format, ...);
int __wrap_snprintf(char *out, size_t size, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int n = __wrap_vsnprintf(out, size, format, args);
	va_end(args);
	return n;
}

WRAP(void, loss_hint_name,
     (const struct loss_place *place, const char *name, size_t n, char *out, size_t size))
{
	count_sentence();
	__real_loss_hint_name(place, name, n, out, size);
}
