/*
 * Certificates, their keys and the authority of clients are replaced again and again while clients
 * ask: no request is lost, and nobody is let in who should not be. `make test-rotation` does it a
 * hundred times; ROTATIONS says how often.
 */
#include "../support/tls_server.h"
#include "../support/tls_stream.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WAIT_MS 60000
#define CLIENTS 4
#define LIVE "GET /v2/health/live HTTP/1.1\r\nHost: a\r\n\r\n"

static struct tls_server world;

/* Every time there are two right certificates of the server, by turns, and of two authorities of
 * clients the first, and by turns the second as well. */
static struct certificate shown[2], authority[2], both, in_force;
static struct certificate client[2]; /* one of each authority */
static struct certificate stranger;  /* of none of them */

static atomic_bool over;
static atomic_int answered, lost, let_in, turned_away;

/* ---------------------------------------------------------------- files */

static void append_file(const char *from, FILE *to)
{
	char text[16384];
	FILE *file = fopen(from, "r");
	assert_non_null(file);
	size_t n = fread(text, 1, sizeof text, file);
	assert_int_equal(fwrite(text, 1, n, to), n);
	fclose(file);
}

static void make_certificates(void)
{
	struct certificate other;
	for (int i = 0; i < 2; i++) {
		char name[32];
		snprintf(name, sizeof name, "server%d", i);
		tls_server_certificate(&world, name, FOR_SERVERS, NULL, &shown[i]);
		snprintf(name, sizeof name, "authority%d", i);
		tls_server_certificate(&world, name, FOR_AUTHORITIES, NULL, &authority[i]);
		snprintf(name, sizeof name, "client%d", i);
		tls_server_certificate(&world, name, FOR_CLIENTS, &authority[i], &client[i]);
	}
	tls_server_certificate(&world, "other", FOR_AUTHORITIES, NULL, &other);
	tls_server_certificate(&world, "stranger", FOR_CLIENTS, &other, &stranger);
	tls_server_certificate(&world, "in_force", FOR_AUTHORITIES, NULL, &in_force);
	snprintf(both.certificate, sizeof both.certificate, "%s/both.pem", world.folder);
	FILE *file = fopen(both.certificate, "w");
	assert_non_null(file);
	append_file(authority[0].certificate, file);
	append_file(authority[1].certificate, file);
	fclose(file);
}

static void rotate(int turn)
{
	const struct certificate *next = &shown[turn % 2];
	certificate_replace(next->certificate, world.shown.certificate);
	certificate_replace(next->key, world.shown.key);
	certificate_replace(turn % 2 ? authority[0].certificate : both.certificate,
			    in_force.certificate);
	tls_server_hang_up(&world, "reloaded what=certificates");
}

/* ---------------------------------------------------------------- clients */

/* Every other request on a connection of its own. */
static void *ask_on_and_on(void *context)
{
	const struct client_files files = {world.authority.certificate, client[0].certificate,
					   client[0].key};
	struct client *asking = NULL;
	(void)context;
	for (int i = 0; !atomic_load(&over); i++) {
		struct reply reply;
		if (i % 2 == 0) {
			client_close(asking);
			asking = client_open(&world.tls);
			client_trust(asking, &files);
		}
		client_post(asking, CROSS_ENTROPY, GOOD, &reply);
		atomic_fetch_add(reply.status == 200 ? &answered : &lost, 1);
		reply_free(&reply);
	}
	client_close(asking);
	return NULL;
}

static bool is_served(const struct certificate *certificate)
{
	char out[2048] = "";
	const struct tls_stream_setup setup = {.client = certificate};
	struct tls_stream *stream = tls_stream_open(&world.tls, &setup);
	if (stream && tls_stream_send(stream, LIVE, sizeof LIVE - 1))
		tls_stream_read_until(stream, out, sizeof out, "{\"live\":true}", WAIT_MS);
	tls_stream_close(stream);
	return out[0] != '\0';
}

/* With a certificate that nobody has signed who counts, and with none. */
static void *intrude_on_and_on(void *context)
{
	(void)context;
	for (int i = 0; !atomic_load(&over); i++)
		atomic_fetch_add(is_served(i % 2 ? &stranger : NULL) ? &let_in : &turned_away, 1);
	return NULL;
}

/* The second authority's client comes and goes with it: from the next connection on. */
static void look_at_the_second_client(int turn)
{
	bool served = is_served(&client[1]), may = turn % 2 == 0;
	if (served && !may)
		atomic_fetch_add(&let_in, 1);
	else if (!served && may)
		atomic_fetch_add(&lost, 1);
}

/* Some requests of each certificate. */
static void wait_for_requests(int before)
{
	for (int64_t end = now_ms() + WAIT_MS; atomic_load(&answered) < before + 2 * CLIENTS;) {
		assert_true(now_ms() < end);
		poll(NULL, 0, 1);
	}
}

static void rotation_under_load_loses_nothing_and_lets_nobody_in(void **state)
{
	const char *wish = getenv("ROTATIONS");
	int rotations = wish ? atoi(wish) : 10;
	const char *const flags[] = {"--tls-client-ca", in_force.certificate, NULL};
	pthread_t threads[CLIENTS + 1];
	(void)state;
	certificate_replace(authority[0].certificate, in_force.certificate);
	assert_int_equal(tls_server_start(&world, flags), 0);
	for (int i = 0; i <= CLIENTS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
						i < CLIENTS ? ask_on_and_on : intrude_on_and_on,
						NULL),
				 0);
	for (int turn = 0; turn < rotations; turn++) {
		int before = atomic_load(&answered);
		rotate(turn);
		look_at_the_second_client(turn);
		wait_for_requests(before);
	}
	atomic_store(&over, true);
	for (int i = 0; i <= CLIENTS; i++)
		pthread_join(threads[i], NULL);
	print_message("# %d rotations: %d requests answered, %d lost; %d intruders turned away, "
		      "%d let in\n",
		      rotations, atomic_load(&answered), atomic_load(&lost),
		      atomic_load(&turned_away), atomic_load(&let_in));
	assert_int_equal(atomic_load(&lost), 0);
	assert_int_equal(atomic_load(&let_in), 0);
	assert_true(atomic_load(&turned_away) > 0);
}

static int set_up(void **state)
{
	(void)state;
	tls_server_prepare(&world);
	make_certificates();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return tls_server_stop(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rotation_under_load_loses_nothing_and_lets_nobody_in),
	};
	return cmocka_run_group_tests_name("rotation", tests, set_up, tear_down);
}
