#!/usr/bin/env python3
"""Lists a region's subnets, with no generated code: the contract comes by reflection.

    pip install grpcio grpcio-reflection
    HOSTLER_SERVER=https://region.example:7240 HOSTLER_TOKEN=... HOSTLER_CA=authority.pem list_subnets.py
"""

import os
import sys

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase


def connect() -> grpc.Channel:
    with open(os.environ["HOSTLER_CA"], "rb") as file:
        tls = grpc.ssl_channel_credentials(file.read())
    token = grpc.access_token_call_credentials(os.environ["HOSTLER_TOKEN"])
    server = os.environ["HOSTLER_SERVER"].removeprefix("https://")
    return grpc.secure_channel(server, grpc.composite_channel_credentials(tls, token))


def method(channel: grpc.Channel, service: str, name: str):
    """The class of its request, and a function that calls it."""
    pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
    described = pool.FindServiceByName(service).FindMethodByName(name)
    request = message_factory.GetMessageClass(described.input_type)
    answer = message_factory.GetMessageClass(described.output_type)
    call = channel.unary_unary(
        f"/{service}/{name}",
        request_serializer=request.SerializeToString,
        response_deserializer=answer.FromString,
    )
    return request, call


def main() -> None:
    with connect() as channel:
        request, list_subnets = method(channel, "hostler.v1.Subnets", "List")
        for subnet in list_subnets(request(page_size=100), timeout=10).items:
            print(json_format.MessageToJson(subnet, preserving_proto_field_name=True, indent=None))


if __name__ == "__main__":
    try:
        main()
    except grpc.RpcError as error:
        sys.exit(f"{error.code().name}: {error.details()}")
