/* Which objects of shared memory a client may name, as pure functions over texts. */
#ifndef LOSSD_SHM_RULES_H
#define LOSSD_SHM_RULES_H

#include <stdbool.h>
#include <stdint.h>

#define SHM_NAME_MAX 127 /* bytes of a region's name and of a key */

/* The values of the settings: "none", or a prefix of keys; "self", or user ids between commas. */
bool shm_is_prefix(const char *text);
bool shm_is_owners(const char *text);
/* Whether there is any shared memory: the prefix is not "none". */
bool shm_is_on(const char *prefix);

/* 1 to SHM_NAME_MAX printable ASCII characters. */
bool shm_is_name(const char *name);
/* ^/?[A-Za-z0-9._-]+$ and not too long. */
bool shm_is_key(const char *key);
/* Whether a key begins with the prefix, a slash in front of it aside. "none" allows no key. */
bool shm_key_allowed(const char *prefix, const char *key);
/* Whether an object of `uid` may be used by a server that runs as `self`. */
bool shm_owner_allowed(const char *owners, uint32_t uid, uint32_t self);

#endif
