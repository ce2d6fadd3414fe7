#include <string.h>

#include "driver.h"

const struct fuzz_target fuzz_targets[] = {
	{"json", fuzz_json},         {"safetensors", fuzz_safetensors},
	{"oip_json", fuzz_oip_json}, {"oip_binary", fuzz_oip_binary},
	{"numpy", fuzz_numpy},       {"coding", fuzz_coding},
	{"head", fuzz_head},         {"control", fuzz_control},
	{"request", fuzz_request},   {"connection", fuzz_connection},
	{"totals", fuzz_totals},     {NULL, NULL},
};

const struct fuzz_target *fuzz_find(const char *name)
{
	for (const struct fuzz_target *target = fuzz_targets; target->name; target++)
		if (strcmp(target->name, name) == 0)
			return target;
	return NULL;
}
