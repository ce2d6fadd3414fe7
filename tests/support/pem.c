#include "pem.h"

#include <arpa/inet.h>
#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HOUR 3600

/* What failed is told by the function that fails: gnutls's, mostly. */
#define TRY(call)                                                                                  \
	do {                                                                                       \
		int result_ = (call);                                                              \
		if (result_ < 0)                                                                   \
			return result_;                                                            \
	} while (0)

/* All that a certificate is made of. */
struct making {
	gnutls_x509_crt_t crt, issuer;
	gnutls_x509_privkey_t key, issuer_key;
};

static int write_datum(const char *path, gnutls_datum_t *text, mode_t mode)
{
	FILE *file = fopen(path, "w");
	bool written = file && fwrite(text->data, 1, text->size, file) == text->size;
	written = (!file || fclose(file) == 0) && written && chmod(path, mode) == 0;
	gnutls_free(text->data);
	return written ? 0 : GNUTLS_E_FILE_ERROR;
}

/* A serial number that no other of the run has: what has the same name and number is the same. */
static int set_serial(gnutls_x509_crt_t crt)
{
	static uint32_t number;
	const uint32_t serial[2] = {htonl((uint32_t)getpid()), htonl(++number)};
	return gnutls_x509_crt_set_serial(crt, serial, sizeof serial);
}

static int set_use(gnutls_x509_crt_t crt, enum certificate_use use)
{
	const struct in_addr loopback = {htonl(INADDR_LOOPBACK)};
	TRY(gnutls_x509_crt_set_ca_status(crt, use == FOR_AUTHORITIES));
	if (use == FOR_AUTHORITIES)
		return gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_KEY_CERT_SIGN);
	TRY(gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE));
	TRY(gnutls_x509_crt_set_key_purpose_oid(
		crt, use == FOR_SERVERS ? GNUTLS_KP_TLS_WWW_SERVER : GNUTLS_KP_TLS_WWW_CLIENT, 0));
	TRY(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, "localhost", 9,
						 GNUTLS_FSAN_SET));
	return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, &loopback,
						    sizeof loopback, GNUTLS_FSAN_APPEND);
}

static int describe(const struct certificate_wish *wish, struct making *m)
{
	bool any = wish->from == 0 && wish->to == 0;
	time_t now = time(NULL);
	char name[128];
	int n = snprintf(name, sizeof name, "%s", wish->name);
	TRY(gnutls_x509_crt_set_version(m->crt, 3));
	TRY(set_serial(m->crt));
	TRY(gnutls_x509_crt_set_dn_by_oid(m->crt, GNUTLS_OID_X520_COMMON_NAME, 0, name,
					  (unsigned)n));
	TRY(gnutls_x509_crt_set_activation_time(m->crt, now + (any ? -HOUR : wish->from)));
	TRY(gnutls_x509_crt_set_expiration_time(m->crt, now + (any ? HOUR : wish->to)));
	TRY(gnutls_x509_crt_set_key(m->crt, m->key));
	return set_use(m->crt, wish->use);
}

static int sign(const struct certificate *issuer, struct making *m)
{
	gnutls_datum_t text;
	TRY(gnutls_load_file(issuer->certificate, &text));
	int result = gnutls_x509_crt_import(m->issuer, &text, GNUTLS_X509_FMT_PEM);
	gnutls_free(text.data);
	TRY(result);
	TRY(gnutls_load_file(issuer->key, &text));
	result = gnutls_x509_privkey_import(m->issuer_key, &text, GNUTLS_X509_FMT_PEM);
	gnutls_free(text.data);
	TRY(result);
	return gnutls_x509_crt_sign2(m->crt, m->issuer, m->issuer_key, GNUTLS_DIG_SHA256, 0);
}

static int make(const struct certificate_wish *wish, struct certificate *out, struct making *m)
{
	gnutls_datum_t text;
	TRY(gnutls_x509_crt_init(&m->crt));
	TRY(gnutls_x509_crt_init(&m->issuer));
	TRY(gnutls_x509_privkey_init(&m->key));
	TRY(gnutls_x509_privkey_init(&m->issuer_key));
	TRY(gnutls_x509_privkey_generate(m->key, GNUTLS_PK_ECDSA,
					 GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
	TRY(describe(wish, m));
	TRY(gnutls_x509_privkey_export2_pkcs8(m->key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN,
					      &text));
	TRY(write_datum(out->key, &text, 0600));
	TRY(wish->issuer ? sign(wish->issuer, m)
			 : gnutls_x509_crt_sign2(m->crt, m->crt, m->key, GNUTLS_DIG_SHA256, 0));
	TRY(gnutls_x509_crt_export2(m->crt, GNUTLS_X509_FMT_PEM, &text));
	return write_datum(out->certificate, &text, 0644);
}

/* What was not made is NULL. */
static void release(const struct making *m)
{
	if (m->crt)
		gnutls_x509_crt_deinit(m->crt);
	if (m->issuer)
		gnutls_x509_crt_deinit(m->issuer);
	if (m->key)
		gnutls_x509_privkey_deinit(m->key);
	if (m->issuer_key)
		gnutls_x509_privkey_deinit(m->issuer_key);
}

int pem_make(const struct certificate_wish *wish, struct certificate *out)
{
	struct making making = {NULL, NULL, NULL, NULL};
	snprintf(out->certificate, sizeof out->certificate, "%s/%s.pem", wish->folder, wish->name);
	snprintf(out->key, sizeof out->key, "%s/%s.key", wish->folder, wish->name);
	int result = make(wish, out, &making);
	release(&making);
	return result;
}

int pem_replace(const char *from, const char *to)
{
	char beside[512];
	gnutls_datum_t text;
	struct stat status;
	snprintf(beside, sizeof beside, "%s.new", to);
	TRY(gnutls_load_file(from, &text));
	mode_t mode = stat(from, &status) == 0 ? status.st_mode & 0777 : 0600;
	TRY(write_datum(beside, &text, mode));
	return rename(beside, to) == 0 ? 0 : GNUTLS_E_FILE_ERROR;
}
