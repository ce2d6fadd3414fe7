/* JSON Schema (2020-12) of what a loss is sent as JSON, and answered: from the tables of losses. */
#ifndef LOSSD_SCHEMA_H
#define LOSSD_SCHEMA_H

#include "codec/json/json_out.h"

/* Each writes one object, a schema by itself. It says as much as JSON Schema can: of a number not
 * that it is written without a fraction, of nested arrays not that they are of equal length. */
void schema_put_request(struct json_out *out, const struct loss_info *loss);
/* Also of the lines of replies to bodies of lines, which have no metrics. */
void schema_put_reply(struct json_out *out, const struct loss_info *loss);

#endif
