/*
 * Keys of clients, for tests of a server that asks for them: lines of a keys_file, and requests
 * that bring a key.
 */
#ifndef TESTS_KEYRING_H
#define TESTS_KEYRING_H

#include "client.h"

/* One entry, {"name": ..., "hash": ..., REST}, of a key whose text is the name with "lossd_" before
 * it; both as JSON has them. Valid until the sixteenth call after it. */
const char *keyring_entry(const char *name, const char *rest);
/* The same under another name. */
const char *keyring_alias(const char *alias, const char *name, const char *rest);
/* Replaces the file by one of these entries, NULL at the end, in one step. */
void keyring_write(const char *path, const char *const *entries);

/* "Authorization: Bearer lossd_NAME". Valid until the sixteenth call after it. */
const char *keyring_header(const char *name);
/* As client_send, with that header where there is a name, and JSON where there is a body. The
 * reply's status; the reply is the caller's where it is asked for. */
int keyring_send(struct client *client, const char *method, const char *path, const char *name,
		 const char *body, struct reply *reply);

#endif
