from fastapi import APIRouter

from channels.main import House


def router(house: House) -> APIRouter:
    return APIRouter()
