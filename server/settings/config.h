/* What the program has been told: a value for each row of the table of settings (settings.h).
 * Immutable after start. */
#ifndef LOSSD_CONFIG_H
#define LOSSD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_MAX_LISTENERS 8

#define CONFIG_PATH_SIZE 1024

struct config {
	char listen[1024];        /* a list of up to CONFIG_MAX_LISTENERS, as address.h has it */
	char unix_socket_mode[8]; /* octal: form_is_mode */
	uint64_t threads;         /* of the OpenMP team; default: available cores */
	uint64_t io_threads;      /* of libmicrohttpd; default: available cores */
	uint64_t connections;
	uint64_t connections_per_address; /* 0: no limit */
	uint64_t connection_memory_bytes;
	uint64_t head_timeout_ms;
	uint64_t body_timeout_ms;
	uint64_t body_min_bytes_per_second;
	uint64_t reply_timeout_ms;
	uint64_t reply_min_bytes_per_second;
	uint64_t idle_timeout_ms;
	uint64_t max_body_bytes;
	uint64_t memory_budget_bytes; /* default: half of the memory available by cgroup or machine
				       */
	uint64_t queue_length;        /* large problems that wait at once */
	uint64_t queue_cost;          /* their estimated work, in seconds */
	uint64_t max_elements;
	uint64_t max_rank;
	char spool_directory[CONFIG_PATH_SIZE]; /* see config_spool_directory */
	uint64_t max_reply_bytes;               /* of replies to bodies of lines */
	uint64_t max_header_bytes; /* of safetensors and of the Open Inference Protocol */
	uint64_t drain_delay_ms;
	uint64_t drain_timeout_ms;
	uint64_t isa;                     /* see config_isa */
	uint64_t log_level;               /* enum log_level */
	uint64_t log_format;              /* enum log_format */
	uint64_t access_log;              /* enum log_access */
	char keys_file[CONFIG_PATH_SIZE]; /* "none" */
	uint64_t metrics_open;            /* 1: /metrics needs no key */
	char tls_certificate[CONFIG_PATH_SIZE], tls_key[CONFIG_PATH_SIZE],
		tls_client_ca[CONFIG_PATH_SIZE]; /* PEM files; "none" */
	char otlp_endpoint[1024];                /* a URL; "none" */
	char hosts[1024];                        /* a list as hosts.h has it */
	char cors_origins[1024];                 /* a list as cors.h has it */
	char shm_key_prefix[128]; /* as shm_rules.h has it; "none": no shared memory */
	char shm_owners[256];     /* likewise */
	uint64_t shm_max_regions;
	uint64_t shm_max_bytes;
};

/* The instruction set that kernels are to use, as loss_problem_set_isa takes it: NULL for the best.
 */
const char *config_isa(const struct config *config);
extern const char *const config_isas[]; /* the words that config->isa is an index of */

/* Where replies are kept that are too long for memory: the setting, or the system's place for such
 * files. */
const char *config_spool_directory(const struct config *config);
/* Of settings that may be "none": whether it is something else. */
bool config_is_set(const char *value);
/* The number that unix_socket_mode is. */
unsigned config_mode(const struct config *config);

/* One line on standard error, after the program's name, or what config_complain_to has named. */
__attribute__((format(printf, 1, 2))) void config_complain(const char *format, ...);
/* Gets the lines from now on, without the program's name; NULL: standard error does. One thread. */
void config_complain_to(void (*say)(const char *sentence));
/* A value made fit for a message: control characters as '?', cut at the size, ending "...". */
const char *config_show(const char *value, char *out, size_t size);

#endif
