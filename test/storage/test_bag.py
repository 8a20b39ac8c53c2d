"""Bags can be read by this package, by other readers, and after the writer was killed."""

import pytest
import yaml
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore

from aif_ros.storage.bag import Bag, BagError, BagWriter

TYPES = get_typestore(Stores.ROS2_JAZZY)
STRING = TYPES.types["std_msgs/msg/String"]
SIZE = 20_000


def text(number):
    return f"{number:04}" * (SIZE // 4)


def fill(writer, count):
    writer.add_topic("/ns/words", "std_msgs/msg/String", depth=3, latched=True)
    for number in range(count):
        data = bytes(TYPES.serialize_cdr(STRING(text(number)), "std_msgs/msg/String"))
        writer.write("/ns/words", 1000 + number, data)


@pytest.fixture
def bag(tmp_path):
    with BagWriter(tmp_path / "bag") as writer:
        fill(writer, 5)
    return tmp_path / "bag"


def test_messages_come_back_in_their_order(bag):
    messages = list(Bag(bag).messages())
    assert [message.stamp for message in messages] == [1000, 1001, 1002, 1003, 1004]
    assert {message.topic for message in messages} == {"/ns/words"}
    data = TYPES.deserialize_cdr(messages[3].data, "std_msgs/msg/String")
    assert data.data == text(3)


def test_another_reader_finds_the_message_definition(bag):
    with AnyReader([bag]) as reader:
        (connection,) = reader.connections
        assert "string data" in connection.msgdef.data
        texts = [reader.deserialize(each[2], each[0].msgtype).data for each in reader.messages()]
    assert texts == [text(number) for number in range(5)]


def test_metadata_are_those_of_rosbag2(bag):
    content = yaml.safe_load((bag / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert content["storage_identifier"] == "mcap"
    assert content["relative_file_paths"] == ["bag.mcap"]
    assert content["message_count"] == 5
    topic = content["topics_with_message_count"][0]["topic_metadata"]
    assert topic["serialization_format"] == "cdr"
    assert topic["offered_qos_profiles"][0]["durability"] == "transient_local"
    assert topic["offered_qos_profiles"][0]["depth"] == 3


def test_a_killed_writer_leaves_what_it_has_written(tmp_path):
    writer = BagWriter(tmp_path / "bag")
    fill(writer, 400)  # several chunks of a megabyte
    bag = Bag(tmp_path / "bag")
    assert 300 < sum(1 for _ in bag.messages()) < 400
    assert bag.truncated
    assert not (tmp_path / "bag" / "metadata.yaml").exists()
    writer.close()
    assert sum(1 for _ in bag.messages()) == 400


def test_a_file_cut_off_anywhere_is_read_up_to_there(bag):
    file = bag / "bag.mcap"
    whole = file.read_bytes()
    for part in (0.4, 0.8, 0.999):
        file.write_bytes(whole[: int(part * len(whole))])
        cut = Bag(bag)
        try:
            assert sum(1 for _ in cut.messages()) in (0, 5)
        except BagError as error:
            assert "empty" in str(error)
        else:
            assert cut.truncated


def test_nothing_is_overwritten(bag):
    with pytest.raises(BagError, match="exists already"):
        BagWriter(bag)


def test_what_is_no_bag_is_refused(tmp_path):
    with pytest.raises(BagError, match="no MCAP file in"):
        Bag(tmp_path)
    (tmp_path / "photo.mcap").write_bytes(b"JFIF" * 100)
    with pytest.raises(BagError, match="is no MCAP file"):
        list(Bag(tmp_path).messages())
