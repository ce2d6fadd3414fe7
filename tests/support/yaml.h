/*
 * A YAML document, aliases followed. A node is named by its keys, joined by '>':
 * "paths>/metrics>get>summary".
 */
#ifndef TESTS_YAML_H
#define TESTS_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

struct yaml; /* opaque */

/* NULL, with a line on standard error, when the file can not be read. End it with yaml_unload. */
struct yaml *yaml_load(const char *file);
void yaml_unload(struct yaml *yaml);

/* The text of a scalar, without its quotes; NULL when there is no such node, "" when it has
 * children. */
const char *yaml_value(const struct yaml *yaml, const char *path);

/* The i-th key of a mapping, or the i-th item of a list, in the document's order; NULL past the
 * last. An item that is a reference is what stands in its "$ref". */
const char *yaml_key(const struct yaml *yaml, const char *path, size_t i);
const char *yaml_item(const struct yaml *yaml, const char *path, size_t i);

/* Whether a list has that item. */
bool yaml_has_item(const struct yaml *yaml, const char *path, const char *item);

/* Whether the whole document is that of the JSON: values and their types; members in any order. */
bool yaml_is_json(const struct yaml *yaml, const cJSON *json);

#endif
