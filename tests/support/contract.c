#include "contract.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

struct yaml *contract;

const struct contract_method contract_methods[N_CONTRACT_METHODS] = {
	{"GET", "get", METHOD_GET},          {"HEAD", "head", METHOD_HEAD},
	{"POST", "post", METHOD_POST},       {"OPTIONS", "options", METHOD_OPTIONS},
	{"PUT", "put", METHOD_PUT},          {"PATCH", "patch", METHOD_OTHER},
	{"DELETE", "delete", METHOD_DELETE}, {"TRACE", "trace", METHOD_OTHER},
};

bool contract_load(void)
{
	contract = yaml_load(CONTRACT_FILE);
	return contract != NULL;
}

void contract_free(void)
{
	yaml_unload(contract);
	contract = NULL;
}

const char *node(const char *format, ...)
{
	static char texts[8][CONTRACT_NODE];
	static unsigned next;
	char *text = texts[next++ % 8];
	va_list args;
	va_start(args, format);
	int n = vsnprintf(text, CONTRACT_NODE, format, args);
	va_end(args);
	assert_in_range(n, 1, CONTRACT_NODE - 1);
	return text;
}

const char *schema_name(const char *before, const char *name, const char *after)
{
	char pascal[CONTRACT_NODE];
	size_t n = 0;
	for (const char *c = name; *c; c++) {
		bool starts = c == name || c[-1] == '_';
		if (*c != '_')
			pascal[n++] = starts ? (char)toupper((unsigned char)*c) : *c;
		assert_in_range(n, 0, sizeof pascal - 1);
	}
	pascal[n] = '\0';
	return node("%s%s%s", before, pascal, after);
}

size_t count_items(const char *path)
{
	size_t n = 0;
	while (yaml_item(contract, path, n))
		n++;
	return n;
}

size_t count_keys(const char *path)
{
	size_t n = 0;
	while (yaml_key(contract, path, n))
		n++;
	return n;
}

void assert_item(const char *path, const char *item)
{
	if (!yaml_has_item(contract, path, item))
		fail_msg("%s does not list %s", path, item);
}

void assert_key(const char *path, const char *key)
{
	if (!yaml_value(contract, node("%s>%s", path, key)))
		fail_msg("%s has no %s", path, key);
}

bool documents(const char *path, size_t method)
{
	return yaml_value(contract, node("paths>%s>%s", path, contract_methods[method].key)) !=
	       NULL;
}
