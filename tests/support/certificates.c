#include "certificates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HOUR 3600

static void must(int result, const char *what)
{
	if (result < 0)
		fail_msg("%s: %s", what, gnutls_strerror(result));
}
#define MUST(call) must(call, #call)

static void write_datum(const char *path, gnutls_datum_t *text, mode_t mode)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text->data, 1, text->size, file), text->size);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
	gnutls_free(text->data);
}

/* A serial number that no other of the run has: what has the same name and number is the same. */
static void set_serial(gnutls_x509_crt_t crt)
{
	static uint32_t number;
	const uint32_t serial[2] = {htonl((uint32_t)getpid()), htonl(++number)};
	MUST(gnutls_x509_crt_set_serial(crt, serial, sizeof serial));
}

static void set_use(gnutls_x509_crt_t crt, enum certificate_use use)
{
	const struct in_addr loopback = {htonl(INADDR_LOOPBACK)};
	MUST(gnutls_x509_crt_set_ca_status(crt, use == FOR_AUTHORITIES));
	if (use == FOR_AUTHORITIES) {
		MUST(gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_KEY_CERT_SIGN));
		return;
	}
	MUST(gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE));
	MUST(gnutls_x509_crt_set_key_purpose_oid(
		crt, use == FOR_SERVERS ? GNUTLS_KP_TLS_WWW_SERVER : GNUTLS_KP_TLS_WWW_CLIENT, 0));
	MUST(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, "localhost", 9,
						  GNUTLS_FSAN_SET));
	MUST(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, &loopback,
						  sizeof loopback, GNUTLS_FSAN_APPEND));
}

static gnutls_x509_crt_t describe(const struct certificate_wish *wish, gnutls_x509_privkey_t key)
{
	gnutls_x509_crt_t crt;
	bool any = wish->from == 0 && wish->to == 0;
	time_t now = time(NULL);
	char name[128];
	int n = snprintf(name, sizeof name, "%s", wish->name);
	MUST(gnutls_x509_crt_init(&crt));
	MUST(gnutls_x509_crt_set_version(crt, 3));
	set_serial(crt);
	MUST(gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, name, (unsigned)n));
	MUST(gnutls_x509_crt_set_activation_time(crt, now + (any ? -HOUR : wish->from)));
	MUST(gnutls_x509_crt_set_expiration_time(crt, now + (any ? HOUR : wish->to)));
	MUST(gnutls_x509_crt_set_key(crt, key));
	set_use(crt, wish->use);
	return crt;
}

static void sign(gnutls_x509_crt_t crt, const struct certificate *issuer)
{
	gnutls_datum_t certificate, key;
	gnutls_x509_crt_t by;
	gnutls_x509_privkey_t by_key;
	MUST(gnutls_load_file(issuer->certificate, &certificate));
	MUST(gnutls_load_file(issuer->key, &key));
	MUST(gnutls_x509_crt_init(&by));
	MUST(gnutls_x509_privkey_init(&by_key));
	MUST(gnutls_x509_crt_import(by, &certificate, GNUTLS_X509_FMT_PEM));
	MUST(gnutls_x509_privkey_import(by_key, &key, GNUTLS_X509_FMT_PEM));
	MUST(gnutls_x509_crt_sign2(crt, by, by_key, GNUTLS_DIG_SHA256, 0));
	gnutls_x509_crt_deinit(by);
	gnutls_x509_privkey_deinit(by_key);
	gnutls_free(certificate.data);
	gnutls_free(key.data);
}

void certificate_make(const struct certificate_wish *wish, struct certificate *out)
{
	gnutls_x509_privkey_t key;
	gnutls_datum_t text;
	snprintf(out->certificate, sizeof out->certificate, "%s/%s.pem", wish->folder, wish->name);
	snprintf(out->key, sizeof out->key, "%s/%s.key", wish->folder, wish->name);
	MUST(gnutls_x509_privkey_init(&key));
	MUST(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
					  GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
	gnutls_x509_crt_t crt = describe(wish, key);
	MUST(gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN,
					       &text));
	write_datum(out->key, &text, 0600);
	if (wish->issuer)
		sign(crt, wish->issuer);
	else
		MUST(gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0));
	MUST(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &text));
	write_datum(out->certificate, &text, 0644);
	gnutls_x509_crt_deinit(crt);
	gnutls_x509_privkey_deinit(key);
}

void certificate_replace(const char *from, const char *to)
{
	char beside[512];
	gnutls_datum_t text;
	struct stat status;
	snprintf(beside, sizeof beside, "%s.new", to);
	MUST(gnutls_load_file(from, &text));
	assert_int_equal(stat(from, &status), 0);
	write_datum(beside, &text, status.st_mode & 0777);
	assert_int_equal(rename(beside, to), 0);
}
