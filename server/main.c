/* lossd: settings, start, signals, stop. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/eval.h"
#include "cli/health.h"
#include "cli/key.h"
#include "cli/merge.h"
#include "http/capacity.h"
#include "log/log.h"
#include "os/activation.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/notify.h"
#include "os/process.h"
#include "os/signals.h"
#include "service.h"
#include "settings/config_load.h"
#include "settings/config_warn.h"

#define MS UINT64_C(1000000)
/* How often a stop looks whether the last connection has gone. */
#define STOP_STEP_MS 10
/* What cut connections get to go; work stops at its next row block. */
#define CUT_MS 5000
/* How often it is looked whether the server is ready. */
#define LOOK_MS 1000

/* The command that asks the first of the listeners, as one would type it. */
static void print_example(const struct listeners *listeners, const struct config *config)
{
	static const char local[] = "unix:";
	const char *url = listeners->urls[0];
	printf("curl -sS ");
	if (listeners->tls[0])
		printf("--cacert %s ", config->tls_certificate);
	if (strncmp(url, local, sizeof local - 1) == 0)
		printf("--unix-socket %s http://localhost", url + sizeof local - 1);
	else
		printf("%s", url);
	printf("/v1/losses/cross_entropy ");
	if (config_is_set(config->keys_file))
		printf("-H \"Authorization: Bearer $KEY\" ");
	printf("-H 'Content-Type: application/json' "
	       "-d '{\"logits\": [[-0.7715, -0.6205, -0.2562]], \"targets\": [0]}'\n");
}

/* For people, and not in the way of who collects lines of JSON. */
static void print_ready(const struct listeners *listeners, const struct config *config)
{
	for (size_t i = 0; i < listeners->n; i++)
		printf("lossd: ready on %s\n", listeners->urls[i]);
	print_example(listeners, config);
	fflush(stdout);
}

static void log_sentence(enum log_level level, const char *sentence)
{
	log_event(level, sentence, NULL, 0);
}

static void log_wrong(const char *sentence)
{
	log_event(LOG_ERROR, sentence, NULL, 0);
}

/* What may change while it serves: the level of the log, and what its parts read again. */
static void reload(struct service *service, int argc, char **argv)
{
	struct config fresh;
	notify("RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_ns() / 1000);
	bool good = config_load_again(&fresh, argc, argv, log_wrong);
	if (good)
		log_set_level((enum log_level)fresh.log_level);
	service_log_reload("log_level", good);
	service_reload(service);
	notify("READY=1");
}

/* The next signal, or 0 after so many milliseconds; the service manager is told meanwhile that all
 * is well, while it is. */
static int wait_ms(struct service *service, int ms)
{
	uint64_t end = clock_ns() + (uint64_t)ms * MS;
	for (;;) {
		notify_alive(service_answers(service));
		uint64_t now = clock_ns();
		int left = now < end ? (int)((end - now + MS - 1) / MS) : 0;
		int number = signals_wait(notify_sleep_ms(left));
		if (number != 0 || clock_ns() >= end)
			return number;
	}
}

static void wait_for_stop(struct service *service, int argc, char **argv)
{
	for (;;) {
		int number = wait_ms(service, LOOK_MS);
		service_look(service);
		if (number == SIGTERM || number == SIGINT)
			return;
		if (number == SIGHUP)
			reload(service, argc, argv);
	}
}

static void pause_ms(struct service *service, uint64_t ms)
{
	uint64_t end = clock_ns() + ms * MS;
	for (uint64_t now = clock_ns(); now < end; now = clock_ns())
		wait_ms(service, (int)((end - now) / MS) + 1);
}

/* True when no connection is left, nor can come. */
static bool wait_until_gone(struct service *service, uint64_t ms)
{
	uint64_t end = clock_ns() + ms * MS;
	while (!service_is_drained(service)) {
		if (clock_ns() >= end)
			return false;
		wait_ms(service, STOP_STEP_MS);
	}
	return true;
}

/* To the service manager, whose own patience may be less. */
static void tell_stop(const struct config *config)
{
	uint64_t longest_ms =
		config->drain_delay_ms + config->drain_timeout_ms + 2 * (uint64_t)CUT_MS;
	notify("STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC=%" PRIu64, longest_ms * 1000);
}

/* False when something hangs that must not be waited for. */
static bool stop(struct service *service, const struct config *config)
{
	log_event(LOG_INFO, "stopping", NULL, 0);
	tell_stop(config);
	service_leave(service);
	pause_ms(service, config->drain_delay_ms);
	service_drain(service);
	if (!wait_until_gone(service, config->drain_timeout_ms)) {
		const struct log_field field = {"connections", NULL,
						(double)service_connections(service)};
		log_event(LOG_WARNING, "drain_timeout_ms has passed: cutting", &field, 1);
		service_cut(service);
		if (!wait_until_gone(service, CUT_MS))
			return false;
	}
	service_stop(service);
	log_event(LOG_INFO, "stopped", NULL, 0);
	log_stop_writer();
	return true;
}

/* NULL: what has been said is why. */
static struct service *start(struct loss_arena *arena, struct config *config,
			     struct listeners *listeners)
{
	if (!listeners_open(config->listen, config_mode(config), listeners))
		return NULL;
	config_warn(config, log_sentence);
	capacity_fit(config, listeners->n);
	return service_start(arena, config, listeners);
}

/* What the program does other than serve, as its first argument says. */
static const struct {
	const char *word;
	int (*run)(int argc, char **argv);
} words[] = {
	{"eval", eval_main},
	{"health", health_main},
	{"key", key_main},
	{"merge", merge_main},
};

/* The files that settings name; what is odd about them is told as when it starts. */
static bool check(const struct config *config)
{
	struct loss_arena *arena = loss_arena_create(NULL);
	log_start(LOG_WARNING, LOG_TEXT);
	bool good = arena && service_check(arena, config);
	loss_arena_destroy(arena);
	return good;
}

int main(int argc, char **argv)
{
	struct config config;
	struct listeners listeners;
	file_reserve_standard();
	activation_start();
	notify_start();
	for (size_t i = 0; argc > 1 && i < sizeof words / sizeof *words; i++)
		if (strcmp(argv[1], words[i].word) == 0)
			return words[i].run(argc - 1, argv + 1);
	enum config_action action = config_load(&config, argc, argv);
	if (action == CONFIG_CHECK)
		return check(&config) ? 0 : 2;
	if (action != CONFIG_SERVE)
		return action == CONFIG_EXIT_0 ? 0 : 2;

	process_load_thread_exit();
	process_keep_freed_memory();
	log_start((enum log_level)config.log_level, (enum log_format)config.log_format);
	struct loss_arena *arena = loss_arena_create(NULL);
	if (!arena || !signals_start() || !log_start_writer()) {
		fprintf(stderr, "lossd: start: no memory or thread, or no way to take signals\n");
		loss_arena_destroy(arena);
		return 2;
	}
	struct service *service = start(arena, &config, &listeners);
	if (!service) {
		log_stop_writer();
		loss_arena_destroy(arena);
		return 2;
	}
	signals_take();
	service_log_ready(service);
	if (config.log_format == LOG_TEXT)
		print_ready(&listeners, &config);
	notify("READY=1\nSTATUS=ready on %s%s", listeners.urls[0],
	       listeners.n > 1 ? " and others" : "");
	wait_for_stop(service, argc, argv);
	if (!stop(service, &config))
		return 1;
	loss_arena_destroy(arena);
	return 0;
}
