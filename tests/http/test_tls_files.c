/* The files of TLS: what is said of bad ones at the start and at SIGHUP, and who may connect. */
#include "../support/capture.h"
#include "../support/tls_server.h"
#include "../support/tls_stream.h"

#include <gnutls/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define WAIT_MS 60000
#define LIVE "GET /v2/health/live HTTP/1.1\r\nHost: a\r\n\r\n"
#define MAX_BYTES ((size_t)1 << 20)
#define RELOADED "reloaded what=certificates"
#define KEPT "kept as it was what=certificates"

static struct tls_server world;

static int set_up(void **state)
{
	(void)state;
	tls_server_prepare(&world);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	tls_server_kill(&world);
	return 0;
}

static char *path_of(const char *name)
{
	static char paths[4][512];
	static size_t n;
	char *path = paths[n++ % 4];
	snprintf(path, sizeof paths[0], "%s/%s", world.folder, name);
	return path;
}

static char *text_of(const char *path)
{
	gnutls_datum_t text;
	assert_int_equal(gnutls_load_file(path, &text), 0);
	return (char *)text.data; /* gnutls_load_file terminates it */
}

/* ---------------------------------------------------------------- bad files */

/* The key of the server's certificate, with a password. */
static void write_encrypted_key(const char *path)
{
	gnutls_x509_privkey_t key;
	gnutls_datum_t text;
	char *plain = text_of(world.shown.key);
	const gnutls_datum_t in = {(unsigned char *)plain, (unsigned)strlen(plain)};
	assert_int_equal(gnutls_x509_privkey_init(&key), 0);
	assert_int_equal(gnutls_x509_privkey_import(key, &in, GNUTLS_X509_FMT_PEM), 0);
	assert_int_equal(gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, "secret",
							   GNUTLS_PKCS_PBES2_AES_256, &text),
			 0);
	write_file(path, (const char *)text.data);
	gnutls_x509_privkey_deinit(key);
	gnutls_free(text.data);
	gnutls_free(plain);
}

/* A file of so many bytes that begins with another one. */
static void write_padded(const char *path, const char *from, size_t size)
{
	char *text = text_of(from), *padded = malloc(size + 1);
	assert_non_null(padded);
	memset(padded, '\n', size);
	memcpy(padded, text, strlen(text));
	padded[size] = '\0';
	write_file(path, padded);
	free(padded);
	gnutls_free(text);
}

static void make_files(void)
{
	struct certificate other;
	tls_server_certificate(&world, "other", FOR_SERVERS, NULL, &other);
	write_file(path_of("empty.pem"), "");
	write_file(path_of("words.pem"), "no certificate, nor a key\n");
	write_file(path_of("half.pem"), "-----BEGIN CERTIFICATE-----\nMIIB\n");
	write_file(path_of("wrong.pem"),
		   "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
	write_encrypted_key(path_of("encrypted.key"));
	write_padded(path_of("below.pem"), world.shown.certificate, MAX_BYTES - 1);
	write_padded(path_of("at.pem"), world.shown.certificate, MAX_BYTES);
	write_padded(path_of("above.pem"), world.shown.certificate, MAX_BYTES + 1);
	write_padded(path_of("far.pem"), world.shown.certificate, 8 * MAX_BYTES);
}

#define LONGER "it is longer than 1048576 bytes"
#define NO_CERTIFICATE "there is no certificate in it (-----BEGIN CERTIFICATE-----)"

/* One file instead of the right one, and what is said of it. */
static const struct bad_file {
	const char *setting, *flag, *file, *words;
} bad_files[] = {
	{"tls_certificate", "--tls-certificate", "missing.pem", "No such file or directory"},
	{"tls_certificate", "--tls-certificate", "", "Is a directory"},
	{"tls_certificate", "--tls-certificate", "empty.pem", NO_CERTIFICATE},
	{"tls_certificate", "--tls-certificate", "words.pem", NO_CERTIFICATE},
	{"tls_certificate", "--tls-certificate", "shown.key", NO_CERTIFICATE},
	{"tls_certificate", "--tls-certificate", "half.pem",
	 "no chain of certificates can be read from it: "},
	{"tls_certificate", "--tls-certificate", "wrong.pem",
	 "no chain of certificates can be read from it: "},
	{"tls_certificate", "--tls-certificate", "above.pem", LONGER},
	{"tls_certificate", "--tls-certificate", "far.pem", LONGER},
	{"tls_key", "--tls-key", "missing.key", "No such file or directory"},
	{"tls_key", "--tls-key", "empty.pem",
	 "no private key can be read from it (-----BEGIN PRIVATE KEY-----): "},
	{"tls_key", "--tls-key", "shown.pem",
	 "no private key can be read from it (-----BEGIN PRIVATE KEY-----): "},
	{"tls_key", "--tls-key", "encrypted.key",
	 "the key is encrypted, and nobody is asked for its password; openssl pkey writes it "
	 "without"},
	{"tls_key", "--tls-key", "other.key", "it is not the key of the certificate in "},
	{"tls_key", "--tls-key", "far.pem", LONGER},
	{"tls_client_ca", "--tls-client-ca", "missing.pem", "No such file or directory"},
	{"tls_client_ca", "--tls-client-ca", "empty.pem", NO_CERTIFICATE},
	{"tls_client_ca", "--tls-client-ca", "words.pem", NO_CERTIFICATE},
	{"tls_client_ca", "--tls-client-ca", "wrong.pem", "no certificates can be read from it: "},
	{"tls_client_ca", "--tls-client-ca", "above.pem", LONGER},
};
#define N_BAD (sizeof bad_files / sizeof bad_files[0])

static void run_with(const char *flag, const char *path, struct server_run *run)
{
	const char *flags[] = {"--listen",
			       "tls:127.0.0.1:0",
			       "--tls-certificate",
			       world.shown.certificate,
			       "--tls-key",
			       world.shown.key,
			       flag,
			       path,
			       NULL};
	assert_int_equal(server_run(run, flags, NULL), 0);
}

static void bad_files_end_the_start_with_one_line(void **state)
{
	(void)state;
	make_files();
	for (size_t i = 0; i < N_BAD; i++) {
		const struct bad_file *bad = &bad_files[i];
		char line[1024];
		struct server_run run;
		const char *path = path_of(bad->file);
		run_with(bad->flag, path, &run);
		snprintf(line, sizeof line, "lossd: %s: %s: %s", bad->setting, path, bad->words);
		if (run.code != 2 || strncmp(run.err, line, strlen(line)) != 0 || run.out[0] ||
		    strchr(run.err, '\n') != run.err + strlen(run.err) - 1)
			fail_msg("%s %s: %d, not 2 and %s but: %s", bad->setting, bad->file,
				 run.code, line, run.err);
		server_run_free(&run);
	}
}

/* Longest files that are read. */
static void files_may_have_a_mebibyte(void **state)
{
	static const char *const files[] = {"below.pem", "at.pem"};
	(void)state;
	make_files();
	for (size_t i = 0; i < 2; i++) {
		certificate_replace(path_of(files[i]), world.shown.certificate);
		assert_int_equal(tls_server_start(&world, NULL), 0);
		assert_int_equal(server_stop(&world.plain), 0);
	}
}

static long long shown_now(void)
{
	struct tls_stream *stream = tls_stream_open(&world.tls, NULL);
	assert_non_null(stream);
	long long end = tls_stream_not_after(stream);
	tls_stream_close(stream);
	return end;
}

/* What was in force stays so, and what is wrong is logged with the file's name. */
static void bad_files_change_nothing_at_sighup(void **state)
{
	char *right[2];
	struct certificate ca;
	(void)state;
	make_files();
	tls_server_certificate(&world, "clients", FOR_AUTHORITIES, &world.authority, &ca);
	const char *const flags[] = {"--tls-client-ca", ca.certificate, NULL};
	right[0] = text_of(world.shown.certificate);
	right[1] = text_of(world.shown.key);
	assert_int_equal(tls_server_start(&world, flags), 0);
	long long end = shown_now();
	for (size_t i = 0; i < N_BAD; i++) {
		const struct bad_file *bad = &bad_files[i];
		const char *live = bad->flag[6] == 'k' ? world.shown.key
				   : bad->setting[4] == 'c' && bad->setting[5] == 'l'
					   ? ca.certificate
					   : world.shown.certificate;
		char words[1024], *saved = text_of(live);
		struct stat status;
		if (stat(path_of(bad->file), &status) != 0 || S_ISDIR(status.st_mode))
			continue;
		certificate_replace(path_of(bad->file), live);
		snprintf(words, sizeof words, "%s: %s: %.30s", bad->setting, live, bad->words);
		int before = tls_server_said(&world, words);
		tls_server_hang_up(&world, KEPT);
		if (tls_server_said(&world, words) != before + 1)
			fail_msg("%s: not said: %s", bad->file, words);
		assert_true(shown_now() == end);
		write_file(live, saved);
		gnutls_free(saved);
	}
	tls_server_hang_up(&world, RELOADED);
	gnutls_free(right[0]);
	gnutls_free(right[1]);
	assert_int_equal(server_stop(&world.plain), 0);
}

/* ---------------------------------------------------------------- odd, but served */

static void odd_files_are_a_warning(void **state)
{
	const struct certificate_wish old = {.folder = world.folder,
					     .name = "old",
					     .use = FOR_SERVERS,
					     .issuer = &world.authority,
					     .from = -7200,
					     .to = -3600},
				      early = {.folder = world.folder,
					       .name = "early",
					       .use = FOR_SERVERS,
					       .issuer = &world.authority,
					       .from = 3600,
					       .to = 7200};
	struct certificate expired, future;
	(void)state;
	certificate_make(&old, &expired);
	certificate_make(&early, &future);
	assert_int_equal(tls_server_start(&world, NULL), 0);
	assert_int_equal(tls_server_said(&world, "warning"), 0);
	certificate_replace(expired.certificate, world.shown.certificate);
	certificate_replace(expired.key, world.shown.key);
	tls_server_hang_up(&world, RELOADED);
	assert_int_equal(tls_server_said(&world, "the certificate has expired"), 1);
	certificate_replace(future.certificate, world.shown.certificate);
	certificate_replace(future.key, world.shown.key);
	tls_server_hang_up(&world, RELOADED);
	assert_int_equal(tls_server_said(&world, "the certificate is not valid yet"), 1);
	assert_int_equal(tls_server_said(&world, "chmod 600"), 0);
	assert_int_equal(chmod(world.shown.key, 0640), 0);
	tls_server_hang_up(&world, RELOADED);
	assert_int_equal(tls_server_said(&world, "chmod 600"), 1);
	assert_int_equal(server_stop(&world.plain), 0);
}

/* ---------------------------------------------------------------- clients */

/* Whether one with such a certificate, or none, is served. */
static bool is_served(const struct certificate *shown, const char *priorities)
{
	char out[2048] = "";
	bool closed = false;
	const struct tls_stream_setup setup = {.priorities = priorities, .client = shown};
	struct tls_stream *stream = tls_stream_open(&world.tls, &setup);
	if (!stream)
		return false;
	if (tls_stream_send(stream, LIVE, sizeof LIVE - 1))
		tls_stream_read_until(stream, out, sizeof out, "{\"live\":true}", WAIT_MS);
	bool served = strstr(out, "{\"live\":true}") != NULL;
	if (!served) {
		assert_string_equal(out, ""); /* closed without a word */
		tls_stream_read(stream, out, sizeof out, WAIT_MS, &closed);
		assert_true(closed);
	}
	tls_stream_close(stream);
	return served;
}

static const char *const versions[] = {"NORMAL:-VERS-ALL:+VERS-TLS1.2",
				       "NORMAL:-VERS-ALL:+VERS-TLS1.3"};

static void expect_served(const struct certificate *shown, bool served, const char *name)
{
	for (size_t i = 0; i < 2; i++)
		if (is_served(shown, versions[i]) != served)
			fail_msg("%s, %s: %s", name, versions[i], served ? "refused" : "served");
}

static double refused(void)
{
	return server_metric(&world.plain, "lossd_rejected_total{reason=\"tls\"}");
}

static void clients_must_have_a_certificate_of_the_authority(void **state)
{
	struct certificate clients, client, other_ca, stranger, server, expired;
	const struct certificate_wish old = {.folder = world.folder,
					     .name = "expired",
					     .use = FOR_CLIENTS,
					     .issuer = &clients,
					     .from = -7200,
					     .to = -3600};
	(void)state;
	tls_server_certificate(&world, "clients", FOR_AUTHORITIES, NULL, &clients);
	tls_server_certificate(&world, "client", FOR_CLIENTS, &clients, &client);
	tls_server_certificate(&world, "clients2", FOR_AUTHORITIES, NULL, &other_ca);
	tls_server_certificate(&world, "stranger", FOR_CLIENTS, &other_ca, &stranger);
	tls_server_certificate(&world, "server", FOR_SERVERS, &clients, &server);
	certificate_make(&old, &expired);
	const char *const flags[] = {"--tls-client-ca", clients.certificate, NULL};
	assert_int_equal(tls_server_start(&world, flags), 0);
	expect_served(&client, true, "the right one");
	assert_true(refused() == 0);
	expect_served(NULL, false, "none");
	expect_served(&stranger, false, "another authority's");
	expect_served(&expired, false, "an expired one");
	expect_served(&server, false, "one for servers");
	assert_true(refused() == 8);
	assert_int_equal(
		server_log_await(&world.plain, " info handshake of TLS failed peer=127.0.0.1:", 8),
		8);

	/* Another authority: from now on its clients alone; who is connected stays so. */
	const struct tls_stream_setup setup = {.client = &client};
	struct tls_stream *before = tls_stream_open(&world.tls, &setup);
	char out[2048];
	assert_non_null(before);
	assert_true(tls_stream_send(before, LIVE, sizeof LIVE - 1));
	tls_stream_read_until(before, out, sizeof out, "{\"live\":true}", WAIT_MS);
	certificate_replace(other_ca.certificate, clients.certificate);
	tls_server_hang_up(&world, RELOADED);
	expect_served(&stranger, true, "the new authority's");
	expect_served(&client, false, "the old authority's");
	assert_true(tls_stream_send(before, LIVE, sizeof LIVE - 1));
	tls_stream_read_until(before, out, sizeof out, "{\"live\":true}", WAIT_MS);
	assert_non_null(strstr(out, "{\"live\":true}"));
	tls_stream_close(before);
	assert_int_equal(server_stop(&world.plain), 0);
}

/* libcurl shows its certificate, and gets nothing without. */
static void real_clients_show_their_certificates(void **state)
{
	struct certificate clients, mine;
	struct reply reply;
	(void)state;
	tls_server_certificate(&world, "clients", FOR_AUTHORITIES, NULL, &clients);
	tls_server_certificate(&world, "client", FOR_CLIENTS, &clients, &mine);
	const char *const flags[] = {"--tls-client-ca", clients.certificate, NULL};
	assert_int_equal(tls_server_start(&world, flags), 0);
	struct client *client = tls_client_open(&world);
	client_post(client, CROSS_ENTROPY, GOOD, &reply);
	assert_int_equal(reply.status, 0);
	assert_int_equal(reply.body_size, 0);
	reply_free(&reply);
	client_trust(client, &(struct client_files){world.authority.certificate, mine.certificate,
						    mine.key});
	client_post(client, CROSS_ENTROPY, GOOD, &reply);
	assert_int_equal(reply.status, 200);
	reply_free(&reply);
	client_close(client);
	assert_int_equal(server_stop(&world.plain), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(bad_files_end_the_start_with_one_line),
		TEST(files_may_have_a_mebibyte),
		TEST(bad_files_change_nothing_at_sighup),
		TEST(odd_files_are_a_warning),
		TEST(clients_must_have_a_certificate_of_the_authority),
		TEST(real_clients_show_their_certificates),
	};
	return cmocka_run_group_tests_name("TLS files", tests, NULL, NULL);
}
