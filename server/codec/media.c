#include "json_in.h"

const struct media_type media_types[] = {
	{"application/json", "json", json_in_create},
	{NULL, NULL, NULL},
};
