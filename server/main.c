/* lossd: settings, start, signals, stop. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/eval.h"
#include "http/capacity.h"
#include "log/log.h"
#include "os/clock.h"
#include "os/file.h"
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

/* For people, and not in the way of who collects lines of JSON. */
static void print_ready(const struct listeners *listeners)
{
	const char *url = listeners->urls[0];
	for (size_t i = 0; i < listeners->n; i++)
		printf("lossd: ready on %s\n", listeners->urls[i]);
	printf("curl -s %s/v1/losses/cross_entropy -H 'Content-Type: application/json' "
	       "-d '{\"logits\": [[-0.7715, -0.6205, -0.2562]], \"targets\": [0]}'\n",
	       url);
	fflush(stdout);
}

static void log_sentence(enum log_level level, const char *sentence)
{
	log_event(level, sentence, NULL, 0);
}

static void wait_for_stop(struct service *service)
{
	for (;;) {
		int number = signals_wait(LOOK_MS);
		service_look(service);
		if (number == SIGTERM || number == SIGINT)
			return;
		if (number == SIGHUP)
			log_event(LOG_INFO, "SIGHUP: nothing to reload", NULL, 0);
	}
}

static void pause_ms(uint64_t ms)
{
	uint64_t end = clock_ns() + ms * MS;
	for (uint64_t now = clock_ns(); now < end; now = clock_ns())
		signals_wait((int)((end - now) / MS) + 1);
}

/* True when no connection is left, nor can come. */
static bool wait_until_gone(struct service *service, uint64_t ms)
{
	uint64_t end = clock_ns() + ms * MS;
	while (!service_is_drained(service)) {
		if (clock_ns() >= end)
			return false;
		signals_wait(STOP_STEP_MS);
	}
	return true;
}

/* False when something hangs that must not be waited for. */
static bool stop(struct service *service, const struct config *config)
{
	log_event(LOG_INFO, "stopping", NULL, 0);
	service_leave(service);
	pause_ms(config->drain_delay_ms);
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
	config_warn(config, log_sentence);
	if (!listeners_open(config->listen, listeners))
		return NULL;
	capacity_fit(config, listeners->n);
	return service_start(arena, config, listeners);
}

int main(int argc, char **argv)
{
	struct config config;
	struct listeners listeners;
	file_reserve_standard();
	if (argc > 1 && strcmp(argv[1], "eval") == 0)
		return eval_main(argc - 1, argv + 1);
	enum config_action action = config_load(&config, argc, argv);
	if (action != CONFIG_SERVE)
		return action == CONFIG_EXIT_0 ? 0 : 2;

	process_load_thread_exit();
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
		print_ready(&listeners);
	wait_for_stop(service);
	if (!stop(service, &config))
		return 1;
	loss_arena_destroy(arena);
	return 0;
}
