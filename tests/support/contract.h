/*
 * What the tests of the contract share: api/openapi.yaml, read once, and assertions about its
 * nodes.
 */
#ifndef TESTS_CONTRACT_H
#define TESTS_CONTRACT_H

#include "../../server/route/routes.h"
#include "yaml.h"

#define CONTRACT_FILE "api/openapi.yaml"
#define CONTRACT_NODE 256 /* bytes of the longest name of a node */

/* Null before contract_load; false (with a line on standard error) when the file can not be read.
 */
extern struct yaml *contract;
bool contract_load(void);
void contract_free(void);

/* A node's name by printf's arguments; valid until the eighth call after it. */
__attribute__((format(printf, 1, 2))) const char *node(const char *format, ...);

/* "nll_loss" between the two as a schema is called: "NllLoss". Valid as a node's name is. */
const char *schema_name(const char *before, const char *name, const char *after);

size_t count_items(const char *path);
size_t count_keys(const char *path);
/* Fail the running test when the list or mapping does not have it. assert_key calls node once. */
void assert_item(const char *path, const char *item);
void assert_key(const char *path, const char *key);

/* The methods that a path may be documented for, in the order in which Allow lists them. */
struct contract_method {
	const char *name, *key;
	enum method method;
};
#define N_CONTRACT_METHODS 8
extern const struct contract_method contract_methods[N_CONTRACT_METHODS];

/* Whether the path is documented for contract_methods[method]. */
bool documents(const char *path, size_t method);

#endif
