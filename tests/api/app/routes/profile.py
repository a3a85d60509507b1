"""A person's profile. The account itself belongs to Auth; its id comes from the token alone."""

from fastapi import APIRouter, Response

from tests.api.app.database import Db
from tests.api.app.identity import User
from tests.api.app.pages import answer
from tests.api.app.problems import not_found
from tests.api.app.strict_json import StrictRoute
from whaledb.queries import users
from whaledb.schemas import UserCreate, UserRead

router = APIRouter(prefix="/profile", tags=["profile"], route_class=StrictRoute)


@router.get("", response_model=UserRead, responses={404: {"description": "No profile yet"}})
async def get_profile(user: User, db: Db) -> Response:
    """My profile; not found until it is written for the first time."""
    async with db.as_user(user, readonly=True) as tx:
        found = await users.get(tx, id=user)
    if found is None:
        raise not_found("profile")
    return answer(found)


@router.put("", response_model=UserRead)
async def put_profile(profile: UserCreate, user: User, db: Db) -> Response:
    """Write my profile, whether it is there or not."""
    async with db.as_user(user) as tx:
        await users.merge(tx, id=user, **profile.arguments())
        written = await users.get(tx, id=user)
    if written is None:
        raise not_found("profile")
    return answer(written)
