/* What a collector says of a document that it has taken (ExportTraceServiceResponse). */
#ifndef LOSSD_COLLECTOR_REPLY_H
#define LOSSD_COLLECTOR_REPLY_H

#include "collector.h"

/* Fills `rejected` and `why`, from {"partialSuccess": {"rejectedSpans": "3", "errorMessage": ""}}.
 * What says no such thing, or is no JSON, has nothing against it. */
void collector_reply_read(const char *text, struct collector_reply *reply);

#endif
