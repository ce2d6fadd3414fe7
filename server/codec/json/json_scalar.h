/* A value that is no tensor, as an argument of a loss takes it. */
#ifndef LOSSD_CODEC_JSON_SCALAR_H
#define LOSSD_CODEC_JSON_SCALAR_H

#include "json_fault.h"

/* The value that begins with the token: LOSS_VALUE_OTHER for an array or an object. `text` becomes
 * the value's, as error messages show it. */
struct loss_value json_scalar(const struct json_token *token, char text[JSON_SHOWN_SIZE]);

#endif
