#!/usr/bin/env bash
# openapi-generator, Java.
# shellcheck source=tests/clients/common.sh disable=SC2317 # functions are called by name
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need curl java javac mvn
begin java Main.java
generator=7.25.0
plugin=org.apache.maven.plugins:maven-dependency-plugin:3.6.1
maven() { mvn -q -B -Dmaven.repo.local="$work/m2" "$@"; }
fetch maven "$plugin:copy" -Dartifact="org.openapitools:openapi-generator-cli:$generator" -DoutputDirectory="$work"
serve
# What these options are for stands in README.md.
objects=Tensor=Object,MaskTensor=Object,RealTensor=Object,IntegerTensor=Object,BooleanTensor=Object
generate() {
	rm -rf "$work/client"
	java -jar "$work/openapi-generator-cli-$generator.jar" generate -g java --library native -i "$work/openapi.json" \
		-o "$work/client" --invoker-package lossd.client --api-package lossd.client.api --model-package lossd.client.model \
		--schema-mappings "$objects" \
		--additional-properties=useSingleRequestParameter=true,containerDefaultToNull=true,openApiNullable=false \
		--global-property apiTests=false,modelTests=false,apiDocs=false,modelDocs=false &&
		cp "$work/Main.java" "$work/client/src/main/java"
}
must "it generates" generate
libraries() { maven -f "$work/client" "$plugin:copy-dependencies" "$plugin:resolve-plugins"; }
fetch libraries
must "it compiles" maven -f "$work/client" compile
ask java -cp "$work/client/target/classes:$work/client/target/dependency/*" Main
