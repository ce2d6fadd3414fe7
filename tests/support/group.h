/*
 * One server for all tests of a program, and one client of it: the set-up and tear-down of a cmocka
 * group. A group whose server needs flags calls group_start_with in a set-up of its own.
 */
#ifndef TESTS_GROUP_H
#define TESTS_GROUP_H

#include "client.h"

extern struct server server;
extern struct client *client;

int group_start(void **state);
int group_start_with(const char *const *flags); /* ends with NULL */
/* The client goes; the server must end with exit code 0. */
int group_stop(void **state);

#endif
