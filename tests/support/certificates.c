#include "certificates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <gnutls/gnutls.h>

static void must(int result, const char *path)
{
	if (result < 0)
		fail_msg("%s: %s", path, gnutls_strerror(result));
}

void certificate_make(const struct certificate_wish *wish, struct certificate *certificate)
{
	must(pem_make(wish, certificate), certificate->certificate);
}

void certificate_replace(const char *from, const char *to)
{
	must(pem_replace(from, to), to);
}
