/* Ids of traces and spans: no two of a process are alike, and hardly any two of the world. */
#ifndef LOSSD_SPAN_ID_H
#define LOSSD_SPAN_ID_H

#include <stddef.h>
#include <stdint.h>

/* Before the others, once. */
void span_id_start(void);
/* 64 bits of those that no other call gets, never 0. Any thread, without waiting for one. */
uint64_t span_id_next(void);
/* n bytes, a multiple of eight, made of them. */
void span_id_make(unsigned char *out, size_t n);

#endif
