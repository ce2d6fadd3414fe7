#include "certificate.h"

#include <fcntl.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define DAY_SECONDS (24 * 3600)

static bool write_file(const char *folder, const char *name, const gnutls_datum_t *pem)
{
	char path[512];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool written = fd >= 0 && write(fd, pem->data, pem->size) == (ssize_t)pem->size;
	return fd >= 0 && close(fd) == 0 && written;
}

static bool fill(gnutls_x509_crt_t certificate, gnutls_x509_privkey_t key)
{
	static const unsigned char address[4] = {127, 0, 0, 1};
	time_t now = time(NULL);
	return gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
					    GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1),
					    0) >= 0 &&
	       gnutls_x509_crt_set_version(certificate, 3) >= 0 &&
	       gnutls_x509_crt_set_serial(certificate, "\1", 1) >= 0 &&
	       gnutls_x509_crt_set_dn(certificate, "CN=localhost", NULL) >= 0 &&
	       gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_IPADDRESS, address,
						    sizeof address, GNUTLS_FSAN_SET) >= 0 &&
	       gnutls_x509_crt_set_activation_time(certificate, now - DAY_SECONDS) >= 0 &&
	       gnutls_x509_crt_set_expiration_time(certificate, now + DAY_SECONDS) >= 0 &&
	       gnutls_x509_crt_set_key(certificate, key) >= 0 &&
	       gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA256, 0) >= 0;
}

bool certificate_make(const char *folder)
{
	gnutls_x509_crt_t certificate = NULL;
	gnutls_x509_privkey_t key = NULL;
	gnutls_datum_t chain = {0}, secret = {0};
	bool made = gnutls_x509_crt_init(&certificate) >= 0 &&
		    gnutls_x509_privkey_init(&key) >= 0 && fill(certificate, key) &&
		    gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &chain) >= 0 &&
		    gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &secret) >= 0 &&
		    write_file(folder, "bench-certificate.pem", &chain) &&
		    write_file(folder, "bench-key.pem", &secret);
	gnutls_free(chain.data);
	gnutls_free(secret.data);
	if (certificate)
		gnutls_x509_crt_deinit(certificate);
	if (key)
		gnutls_x509_privkey_deinit(key);
	return made;
}
