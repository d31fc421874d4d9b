#!/bin/sh
# Tells Spark which GPUs this machine has: spark.worker.resource.gpu.discoveryScript.
gpus=$(nvidia-smi --query-gpu=index --format=csv,noheader | sed 's/.*/"&"/' | paste -s -d , -)
echo "{\"name\": \"gpu\", \"addresses\": [$gpus]}"
