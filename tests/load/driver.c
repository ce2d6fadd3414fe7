#include "driver.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "../support/random.h"
#include "connection.h"

#define EVENTS 64
#define NEVER UINT64_MAX

/* A thread, its connections, and what they have to do. */
struct loader {
	const struct options *options;
	const struct target *target;
	struct workload *workload;
	struct measured measured;
	pthread_t thread;
	CURLM *multi;
	int epoll;
	uint64_t curl_due; /* when libcurl wants to be called, whatever its sockets do */
	struct connection *connections, **idle;
	size_t n, n_idle;
	uint64_t begin, end; /* of what is due */
	double next, gap;    /* open model: when the next is due, and how long until that after */
	struct random random;
	size_t asked; /* bodies are taken in turn, by each thread from another on */
};

uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---------------------------------------------------------------- libcurl's sockets and timer */

static int watch(CURL *easy, curl_socket_t fd, int what, void *context, void *known)
{
	struct loader *loader = context;
	struct epoll_event event = {.data.fd = fd};
	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		epoll_ctl(loader->epoll, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}
	event.events = (what & CURL_POLL_IN ? (unsigned)EPOLLIN : 0) |
		       (what & CURL_POLL_OUT ? (unsigned)EPOLLOUT : 0);
	if (epoll_ctl(loader->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) != 0 &&
	    errno == ENOENT)
		epoll_ctl(loader->epoll, EPOLL_CTL_ADD, fd, &event);
	curl_multi_assign(loader->multi, fd, loader);
	return 0;
}

static int set_timer(CURLM *multi, long ms, void *context)
{
	struct loader *loader = context;
	(void)multi;
	loader->curl_due = ms < 0 ? NEVER : now_ns() + (uint64_t)ms * 1000000;
	return 0;
}

static void turn(struct loader *loader, curl_socket_t fd, unsigned events)
{
	int what = (events & EPOLLIN ? CURL_CSELECT_IN : 0) |
		   (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
		   (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
	int running;
	curl_multi_socket_action(loader->multi, fd, what, &running);
}

/* ---------------------------------------------------------------- what has come of a request */

static bool counts(const struct loader *loader, uint64_t due)
{
	return due >= loader->begin;
}

static void count_refused(struct measured *measured, int status)
{
	for (size_t i = 0; i < MAX_STATUSES; i++) {
		if (measured->refused[i].n > 0 && measured->refused[i].status != status &&
		    i + 1 < MAX_STATUSES)
			continue;
		measured->refused[i].status = status;
		measured->refused[i].n++;
		return;
	}
}

static void say(struct measured *measured, const char *what, const char *more)
{
	if (measured->trouble[0] == '\0')
		snprintf(measured->trouble, sizeof measured->trouble, "%s%.160s", what, more);
}

static void judge(struct loader *loader, struct connection *connection, CURLcode code)
{
	struct measured *measured = &loader->measured;
	long status = 0;
	curl_easy_getinfo(connection->easy, CURLINFO_RESPONSE_CODE, &status);
	if (code != CURLE_OK) {
		measured->cut++;
		say(measured, "", curl_easy_strerror(code));
	} else if (status != 200) {
		text_put(&connection->reply, "", 1);
		count_refused(measured, (int)status);
		say(measured, "refused: ", connection->reply.bytes);
	} else if (!connection_right(connection, loader->options, loader->workload)) {
		measured->wrong++;
		say(measured, "wrong: ", connection->reply.bytes ? connection->reply.bytes : "");
	} else {
		measured->answered++;
	}
}

static void record(struct loader *loader, struct connection *connection, CURLcode code,
		   uint64_t now)
{
	struct measured *measured = &loader->measured;
	measured->bytes_sent += code == CURLE_OK ? connection->body->n : 0;
	measured->bytes_received += connection->reply.n;
	judge(loader, connection, code);
	histogram_record(&measured->latency, now - connection->due);
	for (size_t i = 0; i < N_PHASES; i++)
		if (connection->phases[i] != UINT64_MAX)
			histogram_record(&measured->phases[i], connection->phases[i]);
	if (now > measured->end)
		measured->end = now;
}

static void take_answers(struct loader *loader)
{
	CURLMsg *message;
	int left;
	while ((message = curl_multi_info_read(loader->multi, &left)) != NULL) {
		char *private;
		if (message->msg != CURLMSG_DONE)
			continue;
		CURL *easy = message->easy_handle;
		CURLcode code = message->data.result;
		curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
		struct connection *connection = (struct connection *)(void *)private;
		if (counts(loader, connection->due))
			record(loader, connection, code, now_ns());
		connection->due = 0;
		curl_multi_remove_handle(loader->multi, easy);
		loader->idle[loader->n_idle++] = connection;
	}
}

/* ---------------------------------------------------------------- what is asked */

static void ask(struct loader *loader, uint64_t due)
{
	struct connection *connection = loader->idle[--loader->n_idle];
	struct workload *workload = loader->workload;
	connection_ask(connection, loader->target, &workload->bodies[loader->asked++ % workload->n],
		       due);
	curl_multi_add_handle(loader->multi, connection->easy);
}

/* Closed model: every connection that waits asks now. */
static uint64_t ask_again(struct loader *loader, uint64_t now)
{
	while (now < loader->end && loader->n_idle > 0)
		ask(loader, now);
	return NEVER;
}

static void move_on(struct loader *loader)
{
	double part = loader->options->poisson
			      ? -log(1.0 - random_uniform(&loader->random, 0.0, 1.0))
			      : 1.0;
	loader->next += part * loader->gap;
}

/* Open model: what is due by now, as far as there are connections; when the next is due. */
static uint64_t ask_due(struct loader *loader, uint64_t now)
{
	double latest = (double)(now < loader->end ? now : loader->end - 1);
	while (loader->next <= latest && loader->n_idle > 0) {
		ask(loader, (uint64_t)loader->next);
		move_on(loader);
	}
	return loader->n_idle > 0 && loader->next < (double)loader->end ? (uint64_t)loader->next + 1
									: NEVER;
}

/* What was due and could not be sent is late by as much as it is by now. */
static void give_up(struct loader *loader, uint64_t now)
{
	for (; loader->gap > 0.0 && loader->next < (double)loader->end; move_on(loader)) {
		if (!counts(loader, (uint64_t)loader->next))
			continue;
		loader->measured.unsent++;
		histogram_record(&loader->measured.latency, now - (uint64_t)loader->next);
	}
}

/* ---------------------------------------------------------------- a thread */

static void wait_for(struct loader *loader, uint64_t until)
{
	struct epoll_event events[EVENTS];
	struct pollfd fd = {.fd = loader->epoll, .events = POLLIN};
	uint64_t now = now_ns(), ns = until > now ? until - now : 0;
	struct timespec time = {.tv_sec = (time_t)(ns / 1000000000),
				.tv_nsec = (long)(ns % 1000000000)};
	int n = ppoll(&fd, 1, until == NEVER ? NULL : &time, NULL) > 0
			? epoll_wait(loader->epoll, events, EVENTS, 0)
			: 0;
	for (int i = 0; i < n; i++)
		turn(loader, events[i].data.fd, events[i].events);
	if (loader->curl_due <= now_ns()) {
		loader->curl_due = NEVER;
		turn(loader, CURL_SOCKET_TIMEOUT, 0);
	}
}

static bool is_over(const struct loader *loader, uint64_t now)
{
	bool sent = loader->gap <= 0.0 || loader->next >= (double)loader->end;
	bool late = now > loader->end + loader->options->timeout_ns;
	return now >= loader->end && loader->n_idle == loader->n && (sent || late);
}

static void *load(void *context)
{
	struct loader *loader = context;
	prctl(PR_SET_TIMERSLACK, 1000UL);
	for (uint64_t now = now_ns(); !is_over(loader, now); now = now_ns()) {
		bool late = now > loader->end + loader->options->timeout_ns;
		uint64_t due = late                ? NEVER
			       : loader->gap > 0.0 ? ask_due(loader, now)
						   : ask_again(loader, now);
		uint64_t until = due < loader->curl_due ? due : loader->curl_due;
		if (now < loader->end && loader->end < until)
			until = loader->end;
		wait_for(loader, until);
		take_answers(loader);
	}
	give_up(loader, now_ns());
	return NULL;
}

/* ---------------------------------------------------------------- threads */

static size_t largest_body(const struct workload *workload)
{
	size_t largest = 0;
	for (size_t i = 0; i < workload->n; i++)
		if (workload->bodies[i].n > largest)
			largest = workload->bodies[i].n;
	return largest;
}

static bool make_connections(struct loader *loader)
{
	size_t largest = largest_body(loader->workload);
	loader->connections = calloc(loader->n, sizeof *loader->connections);
	loader->idle = calloc(loader->n, sizeof(struct connection *));
	if (!loader->connections || !loader->idle)
		return false;
	for (; loader->n_idle < loader->n; loader->n_idle++) {
		struct connection *connection = &loader->connections[loader->n_idle];
		loader->idle[loader->n_idle] = connection;
		if (!connection_make(connection, loader->options, loader->target, largest))
			return false;
	}
	return true;
}

static bool make_loader(struct loader *loader)
{
	loader->curl_due = NEVER;
	loader->epoll = epoll_create1(EPOLL_CLOEXEC);
	loader->multi = curl_multi_init();
	if (loader->epoll < 0 || !loader->multi || !make_connections(loader))
		return false;
	curl_multi_setopt(loader->multi, CURLMOPT_SOCKETFUNCTION, watch);
	curl_multi_setopt(loader->multi, CURLMOPT_SOCKETDATA, loader);
	curl_multi_setopt(loader->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(loader->multi, CURLMOPT_TIMERDATA, loader);
	curl_multi_setopt(loader->multi, CURLMOPT_MAXCONNECTS, (long)loader->n);
	return true;
}

static void drop_loader(struct loader *loader)
{
	for (size_t i = 0; loader->connections && i < loader->n; i++)
		connection_drop(&loader->connections[i]);
	curl_multi_cleanup(loader->multi);
	if (loader->epoll >= 0)
		close(loader->epoll);
	free(loader->connections);
	free(loader->idle);
}

static void add(struct measured *all, const struct measured *one)
{
	histogram_add(&all->latency, &one->latency);
	for (size_t i = 0; i < N_PHASES; i++)
		histogram_add(&all->phases[i], &one->phases[i]);
	all->answered += one->answered;
	all->wrong += one->wrong;
	all->cut += one->cut;
	all->unsent += one->unsent;
	for (size_t i = 0; i < MAX_STATUSES; i++)
		for (uint64_t n = 0; n < one->refused[i].n; n++)
			count_refused(all, one->refused[i].status);
	all->bytes_sent += one->bytes_sent;
	all->bytes_received += one->bytes_received;
	if (one->end > all->end)
		all->end = one->end;
	say(all, "", one->trouble);
}

/* Thread i of all of them: its share of connections, and of what is due. */
static void share(struct loader *loader, size_t i, double rate, uint64_t start)
{
	const struct options *options = loader->options;
	size_t n = options->threads;
	loader->n = options->connections / n + (i < options->connections % n);
	loader->asked = i * loader->workload->n / n;
	loader->begin = start + options->warmup_ns;
	loader->end = loader->begin + options->duration_ns;
	loader->gap = rate > 0.0 ? 1e9 * (double)n / rate : 0.0;
	loader->next = (double)start + loader->gap * (double)i / (double)n;
	loader->random = (struct random){.state = options->seed + i};
}

static struct measured *run(struct loader *loaders, size_t n, double rate)
{
	struct measured *all = calloc(1, sizeof *all);
	uint64_t start = now_ns();
	bool made = all != NULL;
	for (size_t i = 0; i < n; i++) {
		share(&loaders[i], i, rate, start);
		made = make_loader(&loaders[i]) && made;
	}
	size_t started = 0;
	while (made && started < n &&
	       pthread_create(&loaders[started].thread, NULL, load, &loaders[started]) == 0)
		started++;
	for (size_t i = 0; i < started; i++)
		pthread_join(loaders[i].thread, NULL);
	if (started < n) {
		free(all);
		return NULL;
	}
	all->begin = loaders[0].begin;
	all->end = loaders[0].end;
	for (size_t i = 0; i < n; i++)
		add(all, &loaders[i].measured);
	return all;
}

struct measured *drive(const struct options *options, struct workload *workload, double rate)
{
	struct target target = {0};
	struct loader *loaders = calloc(options->threads, sizeof *loaders);
	struct measured *measured = NULL;
	for (size_t i = 0; loaders && i < options->threads; i++)
		loaders[i] = (struct loader){
			.options = options, .target = &target, .workload = workload, .epoll = -1};
	if (loaders && target_make(&target, options))
		measured = run(loaders, options->threads, rate);
	if (!measured)
		fputs("lossd-load: no memory, descriptors or threads for the connections\n",
		      stderr);
	for (size_t i = 0; loaders && i < options->threads; i++)
		drop_loader(&loaders[i]);
	free(loaders);
	target_drop(&target);
	return measured;
}

uint64_t measured_failed(const struct measured *measured)
{
	uint64_t failed = measured->wrong + measured->cut + measured->unsent;
	for (size_t i = 0; i < MAX_STATUSES; i++)
		failed += measured->refused[i].n;
	return failed;
}

double measured_rate(const struct measured *measured)
{
	return (double)measured->answered * 1e9 / (double)(measured->end - measured->begin);
}
