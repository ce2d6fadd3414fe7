/* What a property test says when it fails, and how much of it runs under a sanitizer. */
#include "random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>
#include <float.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(SANITIZED)
#define CASES_DIVISOR 8
#else
#define CASES_DIVISOR 1
#endif

size_t random_cases(size_t n)
{
	return (n + CASES_DIVISOR - 1) / CASES_DIVISOR;
}

void skip_unless_precise(void)
{
	if (LDBL_MANT_DIG < 64) {
		print_message("long double is no wider than double: nothing to compare with\n");
		skip();
	}
}

int skip_all(const char *reason)
{
	printf("1..1\nok 1 - all # SKIP %s\n", reason);
	return 0;
}

void require(bool holds, const char *format, ...)
{
	if (holds)
		return;
	char message[1024];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	fail_msg("%s [LOSSD_SEED=%llu]", message, (unsigned long long)random_seed());
}
