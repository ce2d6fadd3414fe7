#include "credentials.h"

#include <assert.h>
#include <errno.h>
#include <gnutls/x509.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "log/log.h"
#include "loss.h"
#include "os/file.h"

struct credentials {
	struct loss_arena *arena; /* that it lies in */
	atomic_uint holders;
	gnutls_certificate_credentials_t gnutls;
	bool asks; /* clients must have a certificate */
	int64_t not_after;
};

/* One of the settings, and what stands in its file. */
struct source {
	const char *setting, *path;
	gnutls_datum_t pem;
};

__attribute__((format(printf, 3, 4))) static bool
blame(struct credentials_fault *fault, const struct source *source, const char *format, ...)
{
	char why[sizeof fault->text - CONFIG_PATH_SIZE - 32];
	va_list args;
	va_start(args, format);
	vsnprintf(why, sizeof why, format, args);
	va_end(args);
	snprintf(fault->text, sizeof fault->text, "%s: %s: %s", source->setting, source->path, why);
	return false;
}

static void warn(const struct source *source, const char *message)
{
	const struct log_field fields[] = {{"setting", source->setting, 0},
					   {"file", source->path, 0}};
	log_event(LOG_WARNING, message, fields, 2);
}

/* ---------------------------------------------------------------- files */

static bool read_source(struct source *source, struct loss_arena *arena,
			struct credentials_fault *fault)
{
	char *text = loss_arena_array(arena, char, CREDENTIALS_MAX_BYTES + 1);
	if (!text)
		return blame(fault, source, "no memory to read it");
	ssize_t n = file_read(source->path, text, CREDENTIALS_MAX_BYTES + 1);
	if (n < 0 && errno == EFBIG)
		return blame(fault, source, "it is longer than %zu bytes", CREDENTIALS_MAX_BYTES);
	if (n < 0)
		return blame(fault, source, "%s", strerror(errno));
	source->pem = (gnutls_datum_t){(unsigned char *)text, (unsigned)n};
	return true;
}

/* GnuTLS would say that it can not be decrypted. */
static bool is_encrypted(const struct source *key)
{
	assert(key->pem.data); /* it has been read */
	const char *text = (const char *)key->pem.data;
	return strstr(text, "-----BEGIN ENCRYPTED") != NULL ||
	       strstr(text, "Proc-Type: 4,ENCRYPTED") != NULL;
}

static void warn_of_readers(const struct source *key)
{
	struct stat status;
	if (stat(key->path, &status) == 0 && (status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		warn(key, "others than its owner may use the file of the private key: chmod 600");
}

/* ---------------------------------------------------------------- the certificate */

/* The validity of the chain's first certificate, which is the server's own. */
static bool read_validity(struct credentials *c, const struct source *certificate,
			  struct credentials_fault *fault)
{
	gnutls_x509_crt_t *chain;
	unsigned n = 0;
	int error =
		gnutls_x509_crt_list_import2(&chain, &n, &certificate->pem, GNUTLS_X509_FMT_PEM, 0);
	if (error == GNUTLS_E_NO_CERTIFICATE_FOUND || (error >= 0 && n == 0))
		return blame(fault, certificate,
			     "there is no certificate in it (-----BEGIN CERTIFICATE-----)");
	if (error < 0)
		return blame(fault, certificate, "no chain of certificates can be read from it: %s",
			     gnutls_strerror(error));
	c->not_after = gnutls_x509_crt_get_expiration_time(chain[0]);
	int64_t now = time(NULL), not_before = gnutls_x509_crt_get_activation_time(chain[0]);
	if (c->not_after < now)
		warn(certificate, "the certificate has expired: clients will refuse it");
	else if (not_before > now)
		warn(certificate, "the certificate is not valid yet: clients will refuse it");
	for (unsigned i = 0; i < n; i++)
		gnutls_x509_crt_deinit(chain[i]);
	gnutls_free(chain);
	return true;
}

static bool check_key(const struct source *key, struct credentials_fault *fault)
{
	gnutls_x509_privkey_t parsed;
	if (is_encrypted(key))
		return blame(fault, key,
			     "the key is encrypted, and nobody is asked for its password; "
			     "openssl pkey writes it without");
	if (gnutls_x509_privkey_init(&parsed) < 0)
		return blame(fault, key, "no memory to read it");
	int error = gnutls_x509_privkey_import2(parsed, &key->pem, GNUTLS_X509_FMT_PEM, NULL, 0);
	gnutls_x509_privkey_deinit(parsed);
	if (error < 0)
		return blame(fault, key,
			     "no private key can be read from it (-----BEGIN PRIVATE KEY-----): %s",
			     gnutls_strerror(error));
	warn_of_readers(key);
	return true;
}

static bool load_pair(struct credentials *c, const struct source *certificate,
		      const struct source *key, struct credentials_fault *fault)
{
	if (!read_validity(c, certificate, fault) || !check_key(key, fault))
		return false;
	int error = gnutls_certificate_set_x509_key_mem2(c->gnutls, &certificate->pem, &key->pem,
							 GNUTLS_X509_FMT_PEM, NULL, 0);
	if (error == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
		return blame(fault, key, "it is not the key of the certificate in %s",
			     certificate->path);
	if (error < 0)
		return blame(fault, key, "with the certificate in %s: %s", certificate->path,
			     gnutls_strerror(error));
	return true;
}

/* ---------------------------------------------------------------- clients */

static bool load_authorities(struct credentials *c, const struct source *ca,
			     struct credentials_fault *fault)
{
	if (!config_is_set(ca->path))
		return true;
	int n = gnutls_certificate_set_x509_trust_mem(c->gnutls, &ca->pem, GNUTLS_X509_FMT_PEM);
	if (n == 0 || n == GNUTLS_E_NO_CERTIFICATE_FOUND)
		return blame(fault, ca,
			     "there is no certificate in it (-----BEGIN CERTIFICATE-----)");
	if (n < 0)
		return blame(fault, ca, "no certificates can be read from it: %s",
			     gnutls_strerror(n));
	c->asks = true;
	return true;
}

static void log_refusal(unsigned status)
{
	gnutls_datum_t why = {NULL, 0};
	if (!log_enabled(LOG_DEBUG) ||
	    gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &why, 0) < 0)
		return;
	const struct log_field field = {"why", (const char *)why.data, 0};
	log_event(LOG_DEBUG, "certificate of a client refused", &field, 1);
	gnutls_free(why.data);
}

/* Of the client's certificate: 0 when one of the authorities has signed it for clients. */
static int verify(gnutls_session_t session)
{
	static unsigned char for_clients[] = GNUTLS_KP_TLS_WWW_CLIENT;
	gnutls_typed_vdata_st purpose = {GNUTLS_DT_KEY_PURPOSE_OID, for_clients, 0};
	unsigned status = 0;
	if (gnutls_certificate_verify_peers(session, &purpose, 1, &status) < 0)
		return GNUTLS_E_CERTIFICATE_ERROR;
	if (status == 0)
		return 0;
	log_refusal(status);
	return GNUTLS_E_CERTIFICATE_ERROR;
}

/* ---------------------------------------------------------------- calls */

static struct credentials *create(void)
{
	struct loss_arena *arena = loss_arena_create(NULL);
	struct credentials *c = arena ? loss_arena_array(arena, struct credentials, 1) : NULL;
	if (c)
		*c = (struct credentials){.arena = arena, .holders = 1};
	if (c && gnutls_certificate_allocate_credentials(&c->gnutls) == 0)
		return c;
	loss_arena_destroy(arena);
	return NULL;
}

enum { CERTIFICATE, KEY, CLIENT_CA, N_SOURCES };

static bool read_sources(struct source sources[N_SOURCES], struct loss_arena *scratch,
			 struct credentials_fault *fault)
{
	for (size_t i = 0; i < N_SOURCES; i++)
		if (!(i == CLIENT_CA && !config_is_set(sources[i].path)) &&
		    !read_source(&sources[i], scratch, fault))
			return false;
	return true;
}

struct credentials *credentials_load(const struct config *config, struct credentials_fault *fault)
{
	struct source sources[N_SOURCES] = {
		[CERTIFICATE] = {"tls_certificate", config->tls_certificate, {NULL, 0}},
		[KEY] = {"tls_key", config->tls_key, {NULL, 0}},
		[CLIENT_CA] = {"tls_client_ca", config->tls_client_ca, {NULL, 0}},
	};
	struct loss_arena *scratch = loss_arena_create(NULL);
	struct credentials *c = create();
	snprintf(fault->text, sizeof fault->text, "tls_certificate: no memory to read it");
	bool good = scratch && c && read_sources(sources, scratch, fault) &&
		    load_pair(c, &sources[CERTIFICATE], &sources[KEY], fault) &&
		    load_authorities(c, &sources[CLIENT_CA], fault);
	/* Not left lying where somebody else's memory will be. */
	if (sources[KEY].pem.data)
		gnutls_memset(sources[KEY].pem.data, 0, sources[KEY].pem.size);
	loss_arena_destroy(scratch);
	if (good)
		return c;
	credentials_release(c);
	return NULL;
}

struct credentials *credentials_hold(struct credentials *c)
{
	atomic_fetch_add_explicit(&c->holders, 1, memory_order_relaxed);
	return c;
}

void credentials_release(struct credentials *c)
{
	if (!c || atomic_fetch_sub_explicit(&c->holders, 1, memory_order_acq_rel) > 1)
		return;
	gnutls_certificate_free_credentials(c->gnutls);
	loss_arena_destroy(c->arena);
}

void credentials_use(struct credentials *c, gnutls_session_t session)
{
	gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, c->gnutls);
	if (!c->asks)
		return;
	gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
	gnutls_session_set_verify_function(session, verify);
}

int64_t credentials_not_after(const struct credentials *c)
{
	return c->not_after;
}
