/* What the system says about this process. */
#ifndef LOSSD_PROCESS_H
#define LOSSD_PROCESS_H

#include <stdint.h>

/* 0 where the system does not tell. */
struct process_usage {
	uint64_t resident_bytes, virtual_bytes;
	uint64_t max_virtual_bytes; /* UINT64_MAX: no limit */
	double cpu_seconds;         /* user and system, of all threads */
	uint64_t open_fds;
	uint64_t max_fds;
};

/* When it started, in seconds since the epoch. Ask once: later the wall clock may have been set. */
double process_start_seconds(void);
void process_usage(struct process_usage *usage);

/* Loads what the C library needs to end a thread by pthread_exit, as libgomp does: at its first
 * call it would end the process if there was no memory for that. Once, before there are threads. */
void process_load_thread_exit(void);

/* Has the C library keep some memory that is freed for those who ask next. By itself it gives it
 * back at once where more than 128 KB of it lie together, as soon as some tens of bodies are in
 * flight, and each of the next then takes a fault for every page. Once, before there are threads.
 */
void process_keep_freed_memory(void);

#endif
