/* Settings, from every source: what they may be, which source wins, and what is said of a wrong
 * one. */
#include "../support/capture.h"
#include "log/log.h"
#include "loss.h"
#include "settings/config_load.h"
#include "settings/config_warn.h"
#include "settings/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cjson/cJSON.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_ARGS 8

static struct config config;
static enum config_action action;
static struct capture out, err;
static char folder[256];

/* Loads with the given flags, NULL at the end. */
static void load(const char *const *flags)
{
	char *argv[MAX_ARGS + 2] = {(char[]){"lossd"}};
	int argc = 1;
	for (; flags[argc - 1] && argc <= MAX_ARGS; argc++)
		argv[argc] = strdup(flags[argc - 1]);
	memset(&config, 0xa5, sizeof config);
	capture_begin(&out, STDOUT_FILENO);
	capture_begin(&err, STDERR_FILENO);
	action = config_load(&config, argc, argv);
	capture_end(&err);
	capture_end(&out);
	for (int i = 1; i < argc; i++)
		free(argv[i]);
}

#define LOAD(...) load((const char *const[]){__VA_ARGS__, NULL})
#define LOAD_NOTHING() load((const char *const[]){NULL})

/* A fresh folder, and an environment without settings. */
static int set_up(void **state)
{
	char name[128];
	(void)state;
	make_folder(folder, sizeof folder);
	for (size_t i = 0; i < n_settings; i++) {
		snprintf(name, sizeof name, "LOSSD_%s", settings[i].key);
		for (char *at = name; *at; at++)
			*at = (char)(*at >= 'a' && *at <= 'z' ? *at - 'a' + 'A' : *at);
		unsetenv(name);
	}
	unsetenv("LOSSD_CONFIG");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	remove_folder(folder);
	return 0;
}

/* The path of a file with this text. */
static const char *file_with(const char *text)
{
	static char path[512];
	snprintf(path, sizeof path, "%s/settings.json", folder);
	write_file(path, text);
	return path;
}

/* Refused with exactly one line on standard error, which holds all these words (NULL at the end).
 */
static void assert_refused(const char *const *words)
{
	assert_int_equal(action, CONFIG_EXIT_2);
	assert_string_equal(out.text, "");
	assert_true(err.size > 0);
	assert_ptr_equal(strchr(err.text, '\n'), err.text + err.size - 1);
	assert_memory_equal(err.text, "lossd: ", 7);
	for (; *words; words++)
		if (!strstr(err.text, *words))
			fail_msg("\"%s\" is not in: %s", *words, err.text);
}

#define ASSERT_REFUSED(...) assert_refused((const char *const[]){__VA_ARGS__, NULL})

static void the_defaults_are_those_of_the_contract(void **state)
{
	(void)state;
	LOAD_NOTHING();
	assert_int_equal(action, CONFIG_SERVE);
	assert_string_equal(err.text, "");
	assert_string_equal(config.listen, "127.0.0.1:8080");
	assert_int_equal(config.connections, 20000);
	assert_int_equal(config.connections_per_address, 0);
	assert_int_equal(config.connection_memory_bytes, 36864);
	assert_int_equal(config.head_timeout_ms, 10000);
	assert_int_equal(config.body_timeout_ms, 20000);
	assert_int_equal(config.body_min_bytes_per_second, 65536);
	assert_int_equal(config.reply_timeout_ms, 20000);
	assert_int_equal(config.reply_min_bytes_per_second, 65536);
	assert_int_equal(config.idle_timeout_ms, 60000);
	assert_int_equal(config.max_body_bytes, 1342177280);
	assert_int_equal(config.max_elements, 8589934592);
	assert_int_equal(config.max_rank, 8);
	assert_int_equal(config.max_header_bytes, 65536);
	assert_string_equal(config.spool_directory, "auto");
	assert_int_equal(config.max_reply_bytes, (uint64_t)1280 << 20);
	assert_int_equal(config.drain_delay_ms, 0);
	assert_int_equal(config.drain_timeout_ms, 30000);
	assert_int_equal(config.log_level, LOG_INFO);
	assert_int_equal(config.log_format, LOG_TEXT);
	assert_string_equal(config.hosts, "loopback");
	assert_string_equal(config.cors_origins, "none");
	assert_string_equal(config.unix_socket_mode, "0660");
	assert_string_equal(config.keys_file, "none");
	assert_false(config.metrics_open);
	assert_string_equal(config.tls_certificate, "none");
	assert_string_equal(config.tls_key, "none");
	assert_string_equal(config.tls_client_ca, "none");
	assert_string_equal(config.otlp_endpoint, "none");
	assert_int_equal(config.queue_length, 64);
	assert_int_equal(config.queue_cost, 10);
	assert_string_equal(config.shm_key_prefix, "none");
	assert_string_equal(config.shm_owners, "self");
	assert_int_equal(config.shm_max_regions, 64);
	assert_int_equal(config.shm_max_bytes, (uint64_t)4 << 30);
	assert_true(config.threads >= 1);
	assert_int_equal(config.threads, config.io_threads);
	assert_true(config.memory_budget_bytes >= 16u << 20);
}

static void the_shipped_file_names_every_key_with_its_default(void **state)
{
	(void)state;
	struct config defaults;
	LOAD_NOTHING();
	memcpy(&defaults, &config, sizeof defaults);
	LOAD("--config", "config/lossd.json");
	assert_int_equal(action, CONFIG_SERVE);
	assert_string_equal(err.text, "");
	for (size_t i = 0; i < n_settings; i++) {
		if (settings[i].automatic)
			continue; /* what "auto" stands for may change in between */
		if (setting_text(&settings[i], &config))
			assert_string_equal(setting_text(&settings[i], &config),
					    setting_text(&settings[i], &defaults));
		else
			assert_int_equal(setting_number(&settings[i], &config),
					 setting_number(&settings[i], &defaults));
	}
}

/* Reads the shipped file again, by hand: each key must be there, above it a comment, as its default
 * is written. */
static void the_shipped_file_writes_the_defaults_as_the_table_does(void **state)
{
	(void)state;
	char text[16384], member[256];
	FILE *file = fopen("config/lossd.json", "r");
	assert_non_null(file);
	size_t n = fread(text, 1, sizeof text - 1, file);
	fclose(file);
	text[n] = '\0';
	size_t members = 0;
	for (const char *at = text; (at = strstr(at, "\n  \"")); at++)
		members++;
	assert_int_equal(members, n_settings);
	for (size_t i = 0; i < n_settings; i++) {
		const char *fallback = settings[i].fallback;
		bool number = !setting_text(&settings[i], &config) &&
			      strspn(fallback, "0123456789") == strlen(fallback);
		bool bare = number || setting_is_boolean(&settings[i]);
		snprintf(member, sizeof member, bare ? "\n  \"%s\": %s" : "\n  \"%s\": \"%s\"",
			 settings[i].key, fallback);
		const char *found = strstr(text, member);
		if (!found)
			fail_msg("config/lossd.json lacks%s", member);
		assert_non_null(strchr(",\n", found[strlen(member)]));
	}
}

static void flags_come_in_both_spellings(void **state)
{
	(void)state;
	LOAD("--threads", "3", "--max-body-bytes=1MiB", "--log-level", "debug", "--listen=[::1]:0");
	assert_int_equal(action, CONFIG_SERVE);
	assert_int_equal(config.threads, 3);
	assert_int_equal(config.max_body_bytes, 1048576);
	assert_int_equal(config.log_level, LOG_DEBUG);
	assert_string_equal(config.listen, "[::1]:0");
}

static void the_last_of_two_flags_wins(void **state)
{
	(void)state;
	LOAD("--threads", "3", "--threads=4");
	assert_int_equal(config.threads, 4);
}

/* Of listeners there may be several: in one flag or variable, or in one flag each. */
static void listeners_are_a_list(void **state)
{
	static const char *const bad[][2] = {
		{"", "ADDR:PORT"},
		{",", "listen is \",\", where nothing stands before the first comma"},
		{"127.0.0.1:0,", "where nothing stands after the last comma"},
		{",[::1]:0", "where nothing stands before the first comma"},
		{"a:1,,b:1", "where nothing stands between two commas"},
		{"a:1 ,b:1", "ADDR:PORT"},
		{"a:1,b", "ADDR:PORT"},
		{"a:1,b:65536", "ADDR:PORT"},
		{"a:1,*:80", "listen has \"*:80\": all addresses of the machine are 0.0.0.0:PORT"},
		{"::1:80", "listen has \"::1:80\": an address of IPv6 stands in [ and ]"},
		{"a:1,b:1,c:1,d:1,e:1,f:1,g:1,h:1,i:1",
		 "listen has 9 addresses, but there may be 8 at most"},
		{"a:1,b:1,c:1,d:1,e:1,f:1,g:1,h:1,i:1,a:1,b:1,c:1,d:1,e:1,f:1,g:1,h:1,i:1",
		 "listen has 18 addresses, but there may be 8 at most"},
	};
	(void)state;
	LOAD("--listen", "127.0.0.1:1,[::1]:2", "--listen=localhost:3");
	assert_string_equal(config.listen, "127.0.0.1:1,[::1]:2,localhost:3");
	LOAD("--listen", "a:1,b:1,c:1,d:1,e:1,f:1,g:1", "--listen", "h:1");
	assert_int_equal(action, CONFIG_SERVE);
	LOAD("--listen", "a:1,b:1,c:1,d:1,e:1,f:1,g:1,h:1", "--listen", "i:1");
	ASSERT_REFUSED("--listen", "listen has 9 addresses, but there may be 8 at most");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		LOAD("--listen", bad[i][0]);
		ASSERT_REFUSED("--listen", bad[i][1]);
	}
	setenv("LOSSD_LISTEN", "a:1,b:2", 1);
	LOAD_NOTHING();
	assert_string_equal(config.listen, "a:1,b:2");
	LOAD("--listen", "c:3"); /* replaces the whole list */
	assert_string_equal(config.listen, "c:3");
	unsetenv("LOSSD_LISTEN");
	LOAD("--config", file_with("{\"listen\": [\"a:1\", \"[::1]:2\"]}"));
	assert_string_equal(config.listen, "a:1,[::1]:2");
	LOAD("--config", file_with("{\"listen\": []}"));
	ASSERT_REFUSED("settings.json", "listen", "ADDR:PORT");
}

static void flags_win_over_environment_over_file_over_defaults(void **state)
{
	(void)state;
	const char *path = file_with("{\"threads\": 2, \"max_rank\": 3, \"idle_timeout_ms\": 5}");
	setenv("LOSSD_THREADS", "3", 1);
	setenv("LOSSD_MAX_RANK", "4", 1);
	LOAD("--config", path, "--threads", "5");
	assert_int_equal(action, CONFIG_SERVE);
	assert_int_equal(config.threads, 5);
	assert_int_equal(config.max_rank, 4);
	assert_int_equal(config.idle_timeout_ms, 5);
	assert_int_equal(config.connections, 20000);
}

static void the_environment_may_name_the_file_and_a_flag_another(void **state)
{
	(void)state;
	setenv("LOSSD_CONFIG", file_with("{\"max_rank\": 3}"), 1);
	LOAD_NOTHING();
	assert_int_equal(config.max_rank, 3);
	LOAD("--config", "config/lossd.json");
	assert_int_equal(config.max_rank, 8);
}

/* The end of a message about a name that none of ours is near to, or is: as loss_nearest_of says.
 */
static const char *hint(const char *name, const char *before, const char *after, const char *none)
{
	static char text[128];
	const struct setting *nearest = setting_nearest(name);
	snprintf(text, sizeof text, "%s%s%s", before, nearest ? nearest->key : "", after);
	for (char *at = text + strlen(before); after[0] == '\0' && *at; at++)
		*at = (char)(*at >= 'a' && *at <= 'z' ? *at - 'a' + 'A' : *at);
	return nearest ? text : none;
}

/* Names that are no settings are told by --check-config, and nothing else changes. */
static void unknown_variables_are_told(void **state)
{
	static const struct {
		const char *name, *nearest; /* NULL: whatever is near, if anything is */
	} cases[] = {
		{"LOSSD_THREAD", "LOSSD_THREADS"},  {"LOSSD_MAX_BODY_BYTE", "LOSSD_MAX_BODY_BYTES"},
		{"LOSSD_threads", "LOSSD_THREADS"}, {"LOSSD_HOST", "LOSSD_LISTEN"},
		{"LOSSD_ANYTHING", NULL},           {"LOSSD_", NULL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char whole[256], key[64];
		const char *name = cases[i].name, *end = cases[i].nearest;
		snprintf(key, sizeof key, "%s", name + strlen("LOSSD_"));
		for (char *at = key; *at; at++)
			*at = (char)(*at >= 'A' && *at <= 'Z' ? *at - 'A' + 'a' : *at);
		snprintf(whole, sizeof whole,
			 "lossd: warning: environment variable %s is no setting: %s%s\n", name,
			 end ? "the nearest is " : "",
			 end ? end
			     : hint(key, "the nearest is LOSSD_", "", "lossd --help lists them"));
		setenv(name, "1", 1);
		LOAD("--check-config", "--max-body-bytes=1KiB");
		assert_int_equal(action, CONFIG_CHECK);
		assert_string_equal(err.text, whole);
		LOAD_NOTHING();
		assert_int_equal(action, CONFIG_SERVE);
		assert_string_equal(err.text, "");
		unsetenv(name);
	}
}

static char said[8][256];
static enum log_level said_level[8];
static size_t n_said;

static void note(enum log_level level, const char *sentence)
{
	assert_true(n_said < 8);
	said_level[n_said] = level;
	snprintf(said[n_said++], sizeof said[0], "%s", sentence);
}

/* In a cluster with Services named lossd and lossd-a. */
static void variables_of_kubernetes_are_no_mistakes(void **state)
{
	static const char *const services[][2] = {
		{"LOSSD_SERVICE_HOST", "10.0.0.1"},
		{"LOSSD_SERVICE_PORT", "8080"},
		{"LOSSD_SERVICE_PORT_HTTP", "8080"},
		{"LOSSD_PORT", "tcp://10.0.0.1:8080"},
		{"LOSSD_PORT_8080_TCP", "tcp://10.0.0.1:8080"},
		{"LOSSD_PORT_8080_TCP_PROTO", "tcp"},
		{"LOSSD_PORT_8080_TCP_PORT", "8080"},
		{"LOSSD_PORT_8080_TCP_ADDR", "10.0.0.1"},
		{"LOSSD_PORT_53_UDP", "udp://10.0.0.1:53"},
		{"LOSSD_A_SERVICE_HOST", "10.0.0.2"},
		{"LOSSD_A_PORT_1_SCTP_ADDR", "10.0.0.2"},
		{"LOSSD_URL", "http://127.0.0.1:8080"},
	};
	static const char *const mistakes[][2] = {
		{"LOSSD_PORT", "8080"},           {"LOSSD_PORT_TCP", "1"},
		{"LOSSD_PORT_8080_TCP_URL", "1"}, {"LOSSD_PORT_8080_ABC", "1"},
		{"LOSSD_SERVICE_PORT_", "1"},     {"LOSSD_SERVICE_HOSTS", "1"},
		{"LOSSD_SERVICE_PORTS", "1"},
	};
	(void)state;
	LOAD("--max-body-bytes=1KiB");
	for (size_t i = 0; i < sizeof services / sizeof *services; i++)
		setenv(services[i][0], services[i][1], 1);
	n_said = 0;
	config_warn(&config, note);
	assert_int_equal(n_said, 1);
	assert_int_equal(said_level[0], LOG_DEBUG);
	assert_string_equal(said[0], "environment variables of a Kubernetes Service named lossd "
				     "(LOSSD_PORT, LOSSD_SERVICE_HOST, ...) are no settings");
	LOAD("--check-config", "--max-body-bytes=1KiB");
	assert_string_equal(err.text, "");
	for (size_t i = 0; i < sizeof services / sizeof *services; i++)
		unsetenv(services[i][0]);
	for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
		setenv(mistakes[i][0], mistakes[i][1], 1);
		n_said = 0;
		config_warn(&config, note);
		unsetenv(mistakes[i][0]);
		assert_int_equal(n_said, 1);
		assert_int_equal(said_level[0], LOG_WARNING);
		assert_non_null(strstr(said[0], mistakes[i][0]));
	}
}

static void a_body_beyond_the_budget_is_told(void **state)
{
	static const struct {
		const char *body;
		bool told;
	} cases[] = {{"16777215", false}, {"16MiB", false}, {"16777217", true}, {"1GiB", true}};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char whole[320] = "";
		if (cases[i].told)
			snprintf(whole, sizeof whole,
				 "lossd: warning: max_body_bytes is %s, but memory_budget_bytes is "
				 "16MiB: bodies that must be kept and are beyond the budget are "
				 "refused; raise memory_budget_bytes or lower max_body_bytes\n",
				 cases[i].body);
		LOAD("--check-config", "--memory-budget-bytes=16MiB", "--max-body-bytes",
		     cases[i].body);
		assert_int_equal(action, CONFIG_CHECK);
		assert_string_equal(err.text, whole);
	}
}

static void a_folder_that_takes_no_files_is_told(void **state)
{
	static const struct {
		const char *variable, *flag, *told;
	} cases[] = {
		{NULL, "--threads=1", NULL},
		{"/nowhere/a", "--threads=1", "/nowhere/a"},
		{"/nowhere/a", "--spool-directory=/tmp", NULL},
		{NULL, "--spool-directory=/nowhere/b", "/nowhere/b"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char whole[400] = "";
		if (cases[i].variable)
			setenv("TMPDIR", cases[i].variable, 1);
		else
			unsetenv("TMPDIR");
		if (cases[i].told)
			snprintf(whole, sizeof whole,
				 "lossd: warning: spool_directory is %s, in which no file can be "
				 "made (No such file or directory): of a body of lines no more is "
				 "answered than 4 MiB of replies hold\n",
				 cases[i].told);
		LOAD("--check-config", "--max-body-bytes=1KiB", cases[i].flag);
		assert_int_equal(action, CONFIG_CHECK);
		assert_string_equal(err.text, whole);
	}
	unsetenv("TMPDIR");
}

/* Each that others may reach, in plain text, while whoever comes is served. */
static void open_listeners_are_told(void **state)
{
	static const struct {
		const char *listen, *told[2];
	} cases[] = {
		{"127.0.0.1:1,[::1]:1,localhost:2,unix:/a,fd:b", {NULL}},
		{"0.0.0.0:1,127.0.0.1:2", {"0.0.0.0:1"}},
		{"loss.example:1,[::]:2", {"loss.example:1", "[::]:2"}},
		{"tls:0.0.0.0:1", {NULL}},
		{"tls:0.0.0.0:1,0.0.0.0:2", {"0.0.0.0:2"}},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		bool tls = strncmp(cases[i].listen, "tls", 3) == 0;
		for (int keys = 0; keys < 2; keys++) {
			char whole[700] = "";
			for (int j = 0; !keys && j < 2 && cases[i].told[j]; j++)
				sprintf(whole + strlen(whole),
					"lossd: warning: listen has %s, which other machines may "
					"reach, "
					"in plain text, and keys_file is none: whoever reaches it "
					"is "
					"served; set keys_file and use TLS (tls:%s), or listen on "
					"loopback behind a proxy\n",
					cases[i].told[j], cases[i].told[j]);
			LOAD("--check-config", "--max-body-bytes=1KiB", "--listen", cases[i].listen,
			     keys ? "--keys-file=/k" : "--threads=1",
			     tls ? "--tls-certificate=/c" : "--threads=1",
			     tls ? "--tls-key=/k" : "--threads=1");
			assert_int_equal(action, CONFIG_CHECK);
			assert_string_equal(err.text, whole);
		}
	}
}

static void auto_stands_for_what_the_machine_has(void **state)
{
	(void)state;
	LOAD_NOTHING();
	uint64_t cores = config.threads;
	setenv("LOSSD_THREADS", "7", 1);
	LOAD("--threads", "auto", "--memory-budget-bytes=auto");
	assert_int_equal(action, CONFIG_SERVE);
	assert_int_equal(config.threads, cores);
	assert_true(config.memory_budget_bytes >= 16u << 20);
}

static void sizes_take_units(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {{"1", 1},        {"123456", 123456},      {"3KiB", 3072},
		    {"3 KiB", 3072}, {"1280MiB", 1342177280}, {"1024GiB", 1099511627776}};
	static const char *const bad[] = {"",
					  "0",
					  "-1",
					  "+1",
					  " 1",
					  "1 ",
					  "1.5",
					  "1e3",
					  "0x10",
					  "KiB",
					  "1kib",
					  "1 k",
					  "1MB",
					  "1  KiB",
					  "1KiBs",
					  "1025GiB",
					  "18446744073709551616",
					  "17179869184GiB",
					  "auto",
					  "NaN"};
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		LOAD("--max-body-bytes", good[i].text);
		assert_int_equal(action, CONFIG_SERVE);
		assert_int_equal(config.max_body_bytes, good[i].bytes);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		LOAD("--max-body-bytes", bad[i]);
		ASSERT_REFUSED("--max-body-bytes", "max_body_bytes", "from 1 to 1024GiB");
	}
}

static void a_wrong_flag_is_one_line_with_source_value_and_bound(void **state)
{
	(void)state;
	LOAD("--threads", "0");
	ASSERT_REFUSED("flag --threads", "\"0\"", "from 1 to 1024", "auto");
	LOAD("--threads=abc");
	ASSERT_REFUSED("flag --threads", "\"abc\"", "whole number");
	LOAD("--max-rank", "9");
	ASSERT_REFUSED("--max-rank", "max_rank", "from 1 to 8", "\"9\"");
	LOAD("--log-format", "xml");
	ASSERT_REFUSED("--log-format", "one of text, json", "\"xml\"");
	LOAD("--log-level", "INFO");
	ASSERT_REFUSED("--log-level", "debug, info, warning, error");
	LOAD("--listen", "8080");
	ASSERT_REFUSED("--listen", "ADDR:PORT", "\"8080\"");
	LOAD("--cors-origins", "https://a.example/");
	ASSERT_REFUSED("--cors-origins", "none, *, or origins", "\"https://a.example/\"");
	LOAD("--max-rank", "1KiB");
	ASSERT_REFUSED("--max-rank", "\"1KiB\"");
}

static void the_isa_is_one_that_the_machine_has(void **state)
{
	(void)state;
	LOAD_NOTHING();
	assert_null(config_isa(&config));
	for (size_t i = 0; loss_isa_at(i); i++) {
		if (!loss_isa_find(loss_isa_at(i)))
			continue;
		LOAD("--isa", loss_isa_at(i));
		assert_int_equal(action, CONFIG_SERVE);
		assert_ptr_equal(config_isa(&config), loss_isa_at(i));
	}
	setenv("LOSSD_ISA", "base", 1);
	LOAD_NOTHING();
	assert_string_equal(config_isa(&config), "base");
	LOAD("--isa", "auto");
	assert_null(config_isa(&config));
	unsetenv("LOSSD_ISA");
	LOAD("--config", file_with("{\"isa\": \"base\"}"));
	assert_string_equal(config_isa(&config), "base");
}

static void an_isa_that_is_not_here_is_refused(void **state)
{
	static const char *const names[] = {"avx512", "avx2", "neon"};
	size_t refused = 0;
	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (loss_isa_find(names[i]))
			continue;
		LOAD("--isa", names[i]);
		ASSERT_REFUSED("flag --isa", names[i], "does not have", "auto, base");
		refused++;
	}
	assert_true(refused > 0); /* no machine has all of them */
	LOAD("--isa", "sse4");
	ASSERT_REFUSED("flag --isa", "one of auto, base, avx2, avx512, neon", "\"sse4\"");
	setenv("LOSSD_ISA", "", 1);
	LOAD_NOTHING();
	ASSERT_REFUSED("environment variable LOSSD_ISA", "one of auto");
}

static void control_characters_and_length_of_a_value_do_not_break_the_line(void **state)
{
	(void)state;
	char value[500];
	memset(value, 'x', sizeof value - 1);
	value[sizeof value - 1] = '\0';
	LOAD("--threads", value);
	ASSERT_REFUSED("xxx...");
	LOAD("--threads", "1\n2\033[31m");
	ASSERT_REFUSED("1?2?[31m");
	LOAD("--bad\nflag");
	ASSERT_REFUSED("--bad?flag");
}

static void unknown_flags_and_missing_values_are_refused(void **state)
{
	static const char *const unknown[] = {"--thread",   "--threads-x", "--log_level",
					      "-x",         "--",          "--check-config=1",
					      "--config-x", "--=1",        ""};
	(void)state;
	for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
		LOAD(unknown[i]);
		ASSERT_REFUSED("unknown", unknown[i], "--help");
	}
	static const char *const near[][2] = {
		{"--host", "--listen"},         {"--port=1", "--listen"},
		{"--log_level", "--log-level"}, {"--max-body-byte", "--max-body-bytes"},
		{"-threads", "--threads"},
	};
	for (size_t i = 0; i < sizeof near / sizeof *near; i++) {
		char whole[256];
		snprintf(whole, sizeof whole,
			 "lossd: unknown flag \"%s\"; the nearest is %s; lossd --help lists the "
			 "flags\n",
			 near[i][0], near[i][1]);
		LOAD(near[i][0]);
		assert_int_equal(action, CONFIG_EXIT_2);
		assert_string_equal(err.text, whole);
	}
	LOAD("serve");
	ASSERT_REFUSED("unknown argument \"serve\"");
	LOAD("--threads");
	ASSERT_REFUSED("--threads", "needs a value");
	LOAD("--config");
	ASSERT_REFUSED("--config", "needs a value");
}

static void a_wrong_variable_names_the_variable_even_under_a_flag(void **state)
{
	(void)state;
	setenv("LOSSD_HEAD_TIMEOUT_MS", "soon", 1);
	LOAD("--head-timeout-ms", "5");
	ASSERT_REFUSED("environment variable LOSSD_HEAD_TIMEOUT_MS", "head_timeout_ms", "\"soon\"",
		       "from 1 to 3600000");
}

static void a_file_may_hold_comments_and_sizes_as_words_or_numbers(void **state)
{
	(void)state;
	LOAD("--config",
	     file_with("// first\n{ /* second \" // */ \"max_body_bytes\": 1024, // third\n"
		       "\"connection_memory_bytes\" /**/: \"64 KiB\","
		       "\"threads\": \"auto\", \"log_format\": \"json\"}\n// last"));
	assert_string_equal(err.text, "");
	assert_int_equal(action, CONFIG_SERVE);
	assert_int_equal(config.max_body_bytes, 1024);
	assert_int_equal(config.connection_memory_bytes, 65536);
	assert_int_equal(config.log_format, LOG_JSON);
}

static void hosts_follow_what_is_listened_on(void **state)
{
	static const struct {
		const char *listen, *given, *hosts;
	} cases[] = {
		{"127.0.0.1:1", "auto", "loopback"},
		{"[::1]:1", "auto", "loopback"},
		{"localhost:1", "auto", "loopback"},
		{"0.0.0.0:1", "auto", "*"},
		{"[::]:1", "auto", "*"},
		{"192.0.2.1:1", "auto", "*"},
		{"0.0.0.0:1", "a.b,c:1", "a.b,c:1"},
		{"127.0.0.1:1", "*", "*"},
		{"0.0.0.0:1", "loopback", "loopback"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		LOAD("--listen", cases[i].listen, "--hosts", cases[i].given);
		assert_int_equal(action, CONFIG_SERVE);
		assert_string_equal(config.hosts, cases[i].hosts);
	}
	LOAD("--config", file_with("{\"hosts\": [\"Loss.example\", \"[::1]:8080\"]}"));
	assert_string_equal(config.hosts, "Loss.example,[::1]:8080");
	LOAD("--config", file_with("{\"hosts\": []}"));
	ASSERT_REFUSED("settings.json", "hosts", "auto, *, or hosts");
	LOAD("--hosts", "http://a");
	ASSERT_REFUSED("--hosts", "auto, *, or hosts", "\"http://a\"");
}

static void origins_are_a_text_or_an_array(void **state)
{
	static const struct {
		const char *file, *origins;
	} good[] = {
		{"{\"cors_origins\": []}", "none"},
		{"{\"cors_origins\": [\"*\"]}", "*"},
		{"{\"cors_origins\": [\"https://a\", \"http://b:1\"]}", "https://a,http://b:1"},
		{"{\"cors_origins\": \"https://a,http://b:1\"}", "https://a,http://b:1"},
	};
	static const char *const bad[] = {
		"{\"cors_origins\": [1]}",     "{\"cors_origins\": [\"https://a\", null]}",
		"{\"cors_origins\": [\"a\"]}", "{\"cors_origins\": {\"a\": \"https://a\"}}",
		"{\"cors_origins\": true}",
	};
	char many[4096] = "{\"cors_origins\": [\"https://a\"";
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		LOAD("--config", file_with(good[i].file));
		assert_int_equal(action, CONFIG_SERVE);
		assert_string_equal(config.cors_origins, good[i].origins);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		LOAD("--config", file_with(bad[i]));
		ASSERT_REFUSED("settings.json", "cors_origins", "none, *, or origins");
	}
	for (int i = 0; i < 150; i++)
		strcat(many, ",\"https://a\"");
	strcat(many, "]}");
	LOAD("--config", file_with(many));
	ASSERT_REFUSED("settings.json", "cors_origins", "none, *, or origins");
	LOAD_NOTHING();
	assert_string_equal(config.cors_origins, "none");
}

static void texts_are_judged_by_their_own_rule(void **state)
{
	char many[512] = "1";
	(void)state;
	LOAD("--shm-key-prefix", "lossd_", "--shm-owners=0,1000");
	assert_int_equal(action, CONFIG_SERVE);
	assert_string_equal(config.shm_key_prefix, "lossd_");
	assert_string_equal(config.shm_owners, "0,1000");
	LOAD("--config", file_with("{\"shm_key_prefix\": \"psm_\", \"shm_owners\": \"33\"}"));
	assert_int_equal(action, CONFIG_SERVE);
	assert_string_equal(config.shm_key_prefix, "psm_");
	assert_string_equal(config.shm_owners, "33");
	LOAD("--shm-key-prefix", "/lossd_");
	ASSERT_REFUSED("--shm-key-prefix", "none, or 1 to 127 of the characters", "\"/lossd_\"");
	LOAD("--shm-owners", "root");
	ASSERT_REFUSED("--shm-owners", "self, or user ids like 1000,1001", "\"root\"");
	LOAD("--config", file_with("{\"shm_owners\": 1000}"));
	ASSERT_REFUSED("settings.json", "shm_owners", "self, or user ids");
	while (strlen(many) < sizeof config.shm_owners)
		strcat(many, ",1");
	LOAD("--shm-owners", many);
	ASSERT_REFUSED("--shm-owners", "self, or user ids");
}

static void comment_signs_inside_strings_are_text(void **state)
{
	(void)state;
	LOAD("--config", file_with("{\"log_level\": \"a\\\"//b/*c*/\"}"));
	ASSERT_REFUSED("log_level", "a\"//b/*c*/");
}

/* Of what is wrong with files, the whole line after "lossd: file PATH: ". */
static void wrong_files_are_one_line_with_file_key_value_and_bound(void **state)
{
#define THREADS "threads must be a whole number from 1 to 1024, or auto, not "
#define LEVEL "log_level must be one of debug, info, warning, error, not "
#define NOT_JSON "is not valid JSON"
	static const struct {
		const char *text, *line;
	} cases[] = {
		{"{\"threads\": 0}", THREADS "\"0\""},
		{"{\"threads\": 1025}", THREADS "\"1025\""},
		{"{\"threads\": 1.5}", THREADS "\"1.5\""},
		{"{\"threads\": -1}", THREADS "\"-1\""},
		{"{\"threads\": 1e400}", THREADS "\"inf\""},
		{"{\"threads\": \"8\"}", THREADS "\"8\""},
		{"{\"threads\": null}", THREADS "null"},
		{"{\"threads\": [1]}", THREADS "[1]"},
		{"{\"threads\": {\"of\": 1}}", THREADS "{\"of\":1}"},
		{"{\"threads\": true}", THREADS "true"},
		{"{\"max_body_bytes\": \"1 MB\"}", "max_body_bytes must be a number of bytes from "
						   "1 to 1024GiB, plain or in KiB, MiB, "
						   "GiB, not \"1 MB\""},
		{"{\"log_level\": 1}", LEVEL "1"},
		{"{\"log_level\": true}", LEVEL "true"},
		{"{\"metrics_open\": 1}", "metrics_open must be one of false, true, not 1"},
		{"{\"metrics_open\": \"True\"}",
		 "metrics_open must be one of false, true, not \"True\""},
		{"{\"metrics_open\": null}", "metrics_open must be one of false, true, not null"},
		{"{\"listen\": 8080}",
		 "listen must be ADDR:PORT or [IPV6]:PORT, like 127.0.0.1:8080, unix:PATH or "
		 "fd:NAME, or up to 8 of them with commas and no spaces between them; tls: before "
		 "what is TLS, not 8080"},
		{"{\"log_level\": "
		 "[\"012345678901234567890123456789012345678901234567890123456789\", "
		 "\"012345678901234567890123456789012345678901234567890123456789\"]}",
		 LEVEL "a value of another kind"},
		{"{\"thread\": 1}", "unknown key \"thread\"; the nearest is \"threads\""},
		{"{\"Threads\": 1}", "unknown key \"Threads\"; the nearest is \"threads\""},
		{"{\"maxbodybytes\": 1}",
		 "unknown key \"maxbodybytes\"; the nearest is \"max_body_bytes\""},
		{"{\"host\": 1}", "unknown key \"host\"; the nearest is \"listen\""},
		{"{\"port\": 1}", "unknown key \"port\"; the nearest is \"listen\""},
		{"{\"threads\\u0000x\": 1}",
		 "line 1, column 10: holds a NUL, which no setting may"},
		{"{\"hosts\": \"a\\u0000b\"}",
		 "line 1, column 13: holds a NUL, which no setting may"},
		{"{\"threads\": 1, \"threads\": 1}", "threads is given twice; give it once"},
		{"[]", "must be one JSON object, {\"key\": value, ...}"},
		{"\"threads\"", "must be one JSON object, {\"key\": value, ...}"},
		{"", "line 1, column 1: " NOT_JSON},
		{"{\n\"threads\": 1,\n\n}", "line 4, column 1: " NOT_JSON},
		{"{\n\"threads\" 1}", "line 2, column 11: " NOT_JSON},
		{"{\n/* b */ \"ä\" 1}", "line 2, column 13: " NOT_JSON},
		{"{threads: 1}", "line 1, column 2: " NOT_JSON},
		{"{\"threads\": 1,, }", "line 1, column 15: " NOT_JSON},
		{"{\"threads\": }", "line 1, column 13: " NOT_JSON},
		{"{} {}", "line 1, column 4: " NOT_JSON},
		{"{\"threads\": /4}", "line 1, column 13: " NOT_JSON},
		{"{}\n /* no end", "line 2, column 2: a /* comment begins here and has no end"},
		{"{} \"no end \\", "line 1, column 4: " NOT_JSON},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char whole[1024];
		const char *path = file_with(cases[i].text);
		snprintf(whole, sizeof whole, "lossd: file %s: %s\n", path, cases[i].line);
		LOAD("--config", path);
		assert_int_equal(action, CONFIG_EXIT_2);
		assert_string_equal(out.text, "");
		assert_string_equal(err.text, whole);
	}
}

/* What is near depends on the rule of loss_nearest alone. */
static void a_key_that_is_near_to_none_is_refused_all_the_same(void **state)
{
	static const char *const keys[] = {"", "_comment", "//", "certificate_authority"};
	(void)state;
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		char text[64], whole[1024];
		snprintf(text, sizeof text, "{\"%s\": 1}", keys[i]);
		const char *path = file_with(text);
		snprintf(whole, sizeof whole, "lossd: file %s: unknown key \"%s\"; %s\n", path,
			 keys[i],
			 hint(keys[i], "the nearest is \"", "\"", "lossd --help lists them"));
		LOAD("--config", path);
		assert_int_equal(action, CONFIG_EXIT_2);
		assert_string_equal(err.text, whole);
	}
}

static void files_that_can_not_be_read_say_why(void **state)
{
	(void)state;
	char path[512];
	LOAD("--config", "/nowhere/at all.json");
	ASSERT_REFUSED("/nowhere/at all.json", "No such file");
	LOAD("--config", folder);
	ASSERT_REFUSED(folder, "directory");

	snprintf(path, sizeof path, "%s/nul.json", folder);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fwrite("{\n}\0{", 1, 5, file);
	fclose(file);
	LOAD("--config", path);
	ASSERT_REFUSED(path, "line 2, column 2: holds a NUL byte");

	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "{}%*s", 300 * 1024, "");
	fclose(file);
	LOAD("--config", path);
	ASSERT_REFUSED(path, "256KiB");
}

static void booleans_stand_in_files_with_or_without_quotes(void **state)
{
	static const struct {
		const char *text;
		uint64_t value;
	} cases[] = {{"{\"metrics_open\": true}", 1},
		     {"{\"metrics_open\": false}", 0},
		     {"{\"metrics_open\": \"true\"}", 1},
		     {"{}", 0}};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		LOAD("--config", file_with(cases[i].text));
		assert_int_equal(action, CONFIG_SERVE);
		assert_int_equal(config.metrics_open, cases[i].value);
	}
	LOAD("--metrics-open", "true");
	assert_int_equal(config.metrics_open, 1);
}

static void check_config_prints_what_results_as_json(void **state)
{
	(void)state;
	setenv("LOSSD_LOG_FORMAT", "json", 1);
	LOAD("--check-config", "--threads=5", "--max-body-bytes", "2KiB", "--listen",
	     "127.0.0.1:1");
	assert_int_equal(action, CONFIG_CHECK);
	assert_string_equal(err.text, "");
	cJSON *document = cJSON_Parse(out.text);
	assert_true(cJSON_IsObject(document));
	assert_int_equal(cJSON_GetArraySize(document), (int)n_settings);
	for (size_t i = 0; i < n_settings; i++)
		assert_true(cJSON_HasObjectItem(document, settings[i].key));
	assert_true(cJSON_GetObjectItem(document, "threads")->valuedouble == 5);
	assert_true(cJSON_GetObjectItem(document, "max_body_bytes")->valuedouble == 2048);
	assert_string_equal(cJSON_GetObjectItem(document, "listen")->valuestring, "127.0.0.1:1");
	assert_string_equal(cJSON_GetObjectItem(document, "log_format")->valuestring, "json");
	assert_string_equal(cJSON_GetObjectItem(document, "log_level")->valuestring, "info");
	cJSON_Delete(document);
}

static void what_check_config_prints_is_a_file_that_says_the_same(void **state)
{
	(void)state;
	static char first[sizeof out.text];
	LOAD("--check-config", "--memory-budget-bytes=1GiB", "--metrics-open=true",
	     "--keys-file=a \"b\"\\c");
	assert_non_null(strstr(out.text, "\"metrics_open\": true,"));
	assert_non_null(strstr(out.text, "\"keys_file\": \"a \\\"b\\\"\\\\c\","));
	memcpy(first, out.text, sizeof first);
	LOAD("--config", file_with(first), "--check-config");
	assert_int_equal(action, CONFIG_CHECK);
	assert_string_equal(out.text, first);
}

static void check_config_refuses_what_serving_would(void **state)
{
	(void)state;
	LOAD("--check-config", "--max-rank=0");
	ASSERT_REFUSED("max_rank");
}

static void help_lists_every_flag_and_wins_over_what_follows(void **state)
{
	(void)state;
	LOAD("--help", "--nonsense");
	assert_int_equal(action, CONFIG_EXIT_0);
	for (size_t i = 0; i < n_settings; i++)
		assert_non_null(strstr(out.text, settings[i].help));
	assert_non_null(strstr(out.text, "--memory-budget-bytes VALUE"));
	assert_non_null(strstr(out.text, "--config FILE"));
	assert_non_null(strstr(out.text, "--check-config"));
	assert_non_null(strstr(out.text, "default 1280MiB"));
	LOAD("-h");
	assert_int_equal(action, CONFIG_EXIT_0);
}

static void version_is_one_line(void **state)
{
	(void)state;
	LOAD("--version");
	assert_int_equal(action, CONFIG_EXIT_0);
	assert_memory_equal(out.text, "lossd ", 6);
	assert_ptr_equal(strchr(out.text, '\n'), out.text + out.size - 1);
}

static void more_threads_than_connections_are_refused_or_fitted(void **state)
{
	(void)state;
	LOAD("--connections=2", "--io-threads=3");
	ASSERT_REFUSED("io_threads is 3", "connections, which is 2");
	LOAD("--connections=1");
	assert_int_equal(action, CONFIG_SERVE);
	assert_int_equal(config.io_threads, 1);
}

/* What can be said of an address is, with the address and where it stands. */
static void a_wrong_address_is_told(void **state)
{
	char address[400] = "127.0.0.1:1,unix:/";
	(void)state;
	memset(address + strlen(address), 'a', 300);
	LOAD("--listen", address);
	ASSERT_REFUSED("flag --listen: listen has \"unix:/aaaa",
		       "...\": the path of a Unix socket may "
		       "have 107 bytes at most");
	setenv("LOSSD_LISTEN", "tls:unix:/a", 1);
	LOAD_NOTHING();
	ASSERT_REFUSED("LOSSD_LISTEN: listen has \"tls:unix:/a\": there is no TLS");
	unsetenv("LOSSD_LISTEN");
	LOAD("--listen", "unix:/a,fd:b,tls:fd:c,tls:[::1]:1,localhost:2",
	     "--tls-certificate=/c.pem", "--tls-key", "/k.pem");
	assert_int_equal(action, CONFIG_SERVE);
}

/* Eight of the longest of each kind fit. */
static void the_longest_list_fits(void **state)
{
	static const char *const begins[] = {"unix:/", "tls:fd:"};
	(void)state;
	for (int kind = 0; kind < 2; kind++) {
		char list[1100], name[120];
		size_t n = 0;
		memset(name, 'a', sizeof name);
		for (int i = 0; i < 8; i++)
			n += (size_t)snprintf(list + n, sizeof list - n, "%s%s%.*s",
					      i > 0 ? "," : "", begins[kind], 106 + kind, name);
		LOAD("--listen", list, kind ? "--tls-certificate=c" : "--threads=1",
		     kind ? "--tls-key=k" : "--threads=1");
		assert_int_equal(action, CONFIG_SERVE);
		assert_string_equal(config.listen, list);
	}
}

static void tls_takes_a_listener_a_certificate_and_a_key(void **state)
{
	static const struct {
		const char *flags[5];
		const char *told;
	} wrong[] = {
		{{"--listen=a:1,tls:b:2"},
		 "listen has tls:b:2, but tls_certificate and tls_key are none; set both"},
		{{"--listen=tls:b:2", "--tls-certificate=/c"},
		 "tls_certificate is \"/c\", but tls_key is none; set both"},
		{{"--listen=tls:b:2", "--tls-key=/k"},
		 "tls_key is \"/k\", but tls_certificate is none; set both"},
		{{"--tls-certificate=/c"},
		 "tls_certificate is \"/c\", but tls_key is none; set both"},
		{{"--tls-client-ca=/a"},
		 "tls_client_ca is \"/a\", but tls_certificate is none; set both"},
		{{"--tls-certificate=/c", "--tls-key=/k"},
		 "tls_certificate is \"/c\", but listen has no address of TLS"},
		{{"--tls-certificate=/c", "--tls-key=/k", "--tls-client-ca=/a"},
		 "tls_certificate is \"/c\", but listen has no address of TLS"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		load(wrong[i].flags);
		ASSERT_REFUSED(wrong[i].told);
	}
	LOAD("--listen=tls:b:2,unix:/a", "--tls-certificate=/c", "--tls-key=/k",
	     "--tls-client-ca=/a");
	assert_int_equal(action, CONFIG_SERVE);
	assert_string_equal(config.hosts, "*");
	LOAD("--listen=tls:localhost:2,unix:/a", "--tls-certificate=/c", "--tls-key=/k");
	assert_string_equal(config.hosts, "loopback");
}

static char heard[2][256];
static size_t n_heard;

static void hear(const char *sentence)
{
	snprintf(heard[n_heard++ % 2], sizeof heard[0], "%s", sentence);
}

/* While it serves: what is wrong is told elsewhere, without the name of the program. */
static void it_can_be_loaded_again(void **state)
{
	const char *path = file_with("{\"log_level\": \"debug\"}");
	char flag[600], *argv[] = {(char[]){"lossd"}, flag, NULL};
	(void)state;
	snprintf(flag, sizeof flag, "--config=%s", path);
	n_heard = 0;
	assert_true(config_load_again(&config, 2, argv, hear));
	assert_int_equal(config.log_level, LOG_DEBUG);
	file_with("{\"log_level\": 7}");
	capture_begin(&err, STDERR_FILENO);
	assert_false(config_load_again(&config, 2, argv, hear));
	capture_end(&err);
	assert_string_equal(err.text, "");
	assert_int_equal(n_heard, 1);
	assert_non_null(strstr(heard[0], "log_level must be one of"));
	assert_memory_equal(heard[0], "file /", 6);
	LOAD("--threads=0"); /* and what comes after that as before */
	ASSERT_REFUSED("threads");
	assert_int_equal(n_heard, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_defaults_are_those_of_the_contract),
		TEST(the_shipped_file_names_every_key_with_its_default),
		TEST(the_shipped_file_writes_the_defaults_as_the_table_does),
		TEST(flags_come_in_both_spellings),
		TEST(the_last_of_two_flags_wins),
		TEST(listeners_are_a_list),
		TEST(flags_win_over_environment_over_file_over_defaults),
		TEST(the_environment_may_name_the_file_and_a_flag_another),
		TEST(unknown_variables_are_told),
		TEST(variables_of_kubernetes_are_no_mistakes),
		TEST(a_body_beyond_the_budget_is_told),
		TEST(a_folder_that_takes_no_files_is_told),
		TEST(open_listeners_are_told),
		TEST(auto_stands_for_what_the_machine_has),
		TEST(sizes_take_units),
		TEST(a_wrong_flag_is_one_line_with_source_value_and_bound),
		TEST(the_isa_is_one_that_the_machine_has),
		TEST(an_isa_that_is_not_here_is_refused),
		TEST(control_characters_and_length_of_a_value_do_not_break_the_line),
		TEST(unknown_flags_and_missing_values_are_refused),
		TEST(a_wrong_variable_names_the_variable_even_under_a_flag),
		TEST(a_file_may_hold_comments_and_sizes_as_words_or_numbers),
		TEST(hosts_follow_what_is_listened_on),
		TEST(origins_are_a_text_or_an_array),
		TEST(texts_are_judged_by_their_own_rule),
		TEST(comment_signs_inside_strings_are_text),
		TEST(wrong_files_are_one_line_with_file_key_value_and_bound),
		TEST(a_key_that_is_near_to_none_is_refused_all_the_same),
		TEST(files_that_can_not_be_read_say_why),
		TEST(booleans_stand_in_files_with_or_without_quotes),
		TEST(check_config_prints_what_results_as_json),
		TEST(what_check_config_prints_is_a_file_that_says_the_same),
		TEST(check_config_refuses_what_serving_would),
		TEST(help_lists_every_flag_and_wins_over_what_follows),
		TEST(version_is_one_line),
		TEST(more_threads_than_connections_are_refused_or_fitted),
		TEST(a_wrong_address_is_told),
		TEST(the_longest_list_fits),
		TEST(tls_takes_a_listener_a_certificate_and_a_key),
		TEST(it_can_be_loaded_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
